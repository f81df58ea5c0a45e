/* The program's version, as published, stored and shown by --version. */
#ifndef EDX_DAEMON_VERSION_H
#define EDX_DAEMON_VERSION_H

#define EDX_VERSION PACKAGE_VERSION /* from configure */

#endif
