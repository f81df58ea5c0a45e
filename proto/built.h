/* What --version of every program prints. */
#ifndef EDX_PROTO_BUILT_H
#define EDX_PROTO_BUILT_H

/* Three lines: the version, what this build can do, and the libraries that it was built with. The
 * build defines EDX_FEATURES, and EDX_LIBRARIES for each program. */
#define EDX_BUILT(program)                                                                         \
    program " " PACKAGE_VERSION "\nfeatures: " EDX_FEATURES "\nbuilt with: " EDX_LIBRARIES

#endif
