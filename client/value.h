/* Values as a person types them (libconfig's syntax, with JSON's taken too) to MessagePack, and
 * back to text. */
#ifndef EDX_CLIENT_VALUE_H
#define EDX_CLIENT_VALUE_H

#include <stdio.h>

#include "proto/wire.h"

/* Appends the one value that fills text:
 *   12  -0.5  0x1F  true  "text"  bare-word  (a, b)  [a, b]  {key = value; key = value;}
 * lists and groups nest up to 16 deep, ':' serves for '=', ',' for ';', and keys may be quoted.
 * What is no number and no truth value is text, up to the next blank or one of ()[]{},;="; at the
 * top a bare word is all of text. SYNTAX says at which position (from 1) what was expected; NOMEM.
 */
edx_status edx_value_parse(const char *text, edx_pack *pack, edx_error *err);

/* Writes a value so that edx_value_parse reads it again; arrays on the wire are shown as
 * "<f4 [64, 64]". Groups inside are indented by indent blanks. */
void edx_value_print(FILE *to, const edx_node *node, int indent);

#endif
