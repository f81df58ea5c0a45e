/* The sums a second time: every frame that the analyst is handed, added in the plainest way, and
 * compared with the cube that it stores. */
#ifndef EDX_TESTS_FUZZ_ACCOUNT_H
#define EDX_TESTS_FUZZ_ACCOUNT_H

#include "analysis/scene.h"
#include "daemon/task.h"

typedef struct fuzz_account fuzz_account;

void fuzz_account_task(const edx_task *task);
/* Aborts unless the scene is the sum. */
void fuzz_account_check(const edx_scene *scene);

/* The account of the newest acquisition, the caller's from now on; NULL: there was none. */
fuzz_account *fuzz_account_take(void);
void fuzz_account_free(fuzz_account **account);
uint64_t fuzz_account_messages(const fuzz_account *account); /* 0 for NULL */
/* The same messages gave the same counts, or more of both where the first was reset and late ones
 * came; both may be NULL. */
bool fuzz_account_same(const fuzz_account *a, const fuzz_account *b);

#endif
