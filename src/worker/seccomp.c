/* Makes a BPF program of calls.def: a binary search over the numbers of the calls, with the rule of
 * each at its leaf. Knows calls and their plain arguments alone: what a pointer leads to no filter
 * can see, and paths are landlock's business. Refuses to guess: on a processor whose numbers it
 * does not know there is no filter. */
#include "worker/seccomp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SECCOMP_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define SECCOMP_ARCH AUDIT_ARCH_AARCH64
#endif

enum rule {
	RULE_ERROR,
	RULE_ALLOW,
	RULE_SELF,
	RULE_NOEXEC,
	RULE_BELOW,
	RULE_FCNTL,
	RULE_PRCTL,
	RULE_KILL,
};

struct call {
	unsigned number;
	enum rule rule;
};

#ifdef SECCOMP_ARCH
static const struct call calls[] = {
#define CALL(name, rule) { SYS_##name, RULE_##rule },
#include "worker/calls.def"
#undef CALL
};

/* Not F_SETOWN and F_SETSIG, with which a descriptor signals another process; nor F_SETFL, whose
 * flags all share that have the socket too. */
static const unsigned fcntl_commands[] = { F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC, F_ADD_SEALS,
	F_GET_SEALS };

enum {
	CALLS = sizeof(calls) / sizeof(calls[0]),
	FCNTL_COMMANDS = sizeof(fcntl_commands) / sizeof(fcntl_commands[0]),
	SPANS = 2 * CALLS + 1,
	CODE_SIZE = 4 * SPANS + 64,
	X32_BIT = 0x40000000, /* the other numbers of x86-64 */
};

/* Numbers from `from` up to the next span have this rule. */
struct span {
	unsigned from;
	enum rule rule;
};

struct program {
	struct sock_filter code[CODE_SIZE];
	unsigned n;
};

static unsigned emit(struct program *p, unsigned code, unsigned k)
{
	assert(p->n < CODE_SIZE);
	p->code[p->n] = (struct sock_filter){ .code = (unsigned short)code, .k = k };
	return p->n++;
}

static void emit_jump(struct program *p, unsigned how, unsigned k, unsigned yes, unsigned no)
{
	unsigned at = emit(p, BPF_JMP | BPF_K | how, k);

	p->code[at].jt = (unsigned char)yes;
	p->code[at].jf = (unsigned char)no;
}

static void emit_return(struct program *p, unsigned action)
{
	emit(p, BPF_RET | BPF_K, action);
}

static void emit_load(struct program *p, unsigned offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, offset);
}

/* The low half of an argument: both processors are little-endian, and the kernel takes what we look
 * at (ids, commands, protections) from these 32 bits. */
static void emit_load_argument(struct program *p, unsigned i)
{
	emit_load(p, (unsigned)(offsetof(struct seccomp_data, args) + i * sizeof(uint64_t)));
}

/* Is what is loaded one of these? */
static void emit_choice(struct program *p, const unsigned *one_of, unsigned n, unsigned otherwise)
{
	for (unsigned i = 0; i < n; i++)
		emit_jump(p, BPF_JEQ, one_of[i], n - i, 0);
	emit_return(p, otherwise);
	emit_return(p, SECCOMP_RET_ALLOW);
}

static void emit_rule(struct program *p, enum rule rule)
{
	const unsigned self = (unsigned)getpid(), name = PR_GET_NAME;

	switch (rule) {
	case RULE_ALLOW:
		emit_return(p, SECCOMP_RET_ALLOW);
		break;
	case RULE_SELF:
		emit_load_argument(p, 0);
		emit_choice(p, &self, 1, SECCOMP_RET_KILL_PROCESS);
		break;
	case RULE_NOEXEC:
		emit_load_argument(p, 2);
		emit_jump(p, BPF_JSET, PROT_EXEC, 0, 1);
		emit_return(p, SECCOMP_RET_KILL_PROCESS);
		emit_return(p, SECCOMP_RET_ALLOW);
		break;
	case RULE_BELOW:
		emit_load_argument(p, 0);
		emit_jump(p, BPF_JEQ, (unsigned)AT_FDCWD, 2, 0);
		emit_load_argument(p, 2);
		emit_jump(p, BPF_JSET, O_ACCMODE | O_CREAT | O_TRUNC, 0, 1);
		emit_return(p, SECCOMP_RET_ERRNO | EPERM);
		emit_return(p, SECCOMP_RET_ALLOW);
		break;
	case RULE_FCNTL:
		emit_load_argument(p, 1);
		emit_choice(p, fcntl_commands, FCNTL_COMMANDS, SECCOMP_RET_ERRNO | EPERM);
		break;
	case RULE_PRCTL:
		emit_load_argument(p, 0);
		emit_choice(p, &name, 1, SECCOMP_RET_ERRNO | EPERM);
		break;
	case RULE_KILL:
		emit_return(p, SECCOMP_RET_KILL_PROCESS);
		break;
	case RULE_ERROR:
		emit_return(p, SECCOMP_RET_ERRNO | EPERM);
		break;
	}
}

/* Binary search over spans [low, high), the number being loaded. */
static void emit_search(struct program *p, const struct span *spans, unsigned low, unsigned high)
{
	unsigned middle = low + (high - low) / 2, at, distance;

	if (high - low == 1) {
		emit_rule(p, spans[low].rule);
		return;
	}
	/* A long jump in front of the upper half, which may be further away than 255. */
	emit_jump(p, BPF_JGE, spans[middle].from, 0, 1);
	at = emit(p, BPF_JMP | BPF_JA, 0);
	emit_search(p, spans, low, middle);
	distance = p->n - at - 1;
	p->code[at].k = distance;
	emit_search(p, spans, middle, high);
}

static int compare_calls(const void *a, const void *b)
{
	const struct call *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Spans of the same rule, from number 0 to the largest. */
static unsigned make_spans(struct span *spans)
{
	struct call sorted[CALLS];
	unsigned n = 0, next = 0;

	for (unsigned i = 0; i < CALLS; i++)
		sorted[i] = calls[i];
	qsort(sorted, CALLS, sizeof(*sorted), compare_calls);
	for (unsigned i = 0; i < CALLS; i++) {
		enum rule rule = sorted[i].rule;

		assert(i == 0 || sorted[i].number != sorted[i - 1].number);
		if (sorted[i].number > next)
			spans[n++] = (struct span){ next, RULE_ERROR };
		if (n == 0 || spans[n - 1].rule != rule)
			spans[n++] = (struct span){ sorted[i].number, rule };
		next = sorted[i].number + 1;
	}
	spans[n++] = (struct span){ next, RULE_ERROR };
	return n;
}

static void make_program(struct program *p)
{
	struct span spans[SPANS];

	p->n = 0;
	emit_load(p, offsetof(struct seccomp_data, arch));
	emit_jump(p, BPF_JEQ, SECCOMP_ARCH, 1, 0);
	emit_return(p, SECCOMP_RET_KILL_PROCESS);
	emit_load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	emit_jump(p, BPF_JGE, X32_BIT, 0, 1);
	emit_return(p, SECCOMP_RET_KILL_PROCESS);
#endif
	emit_search(p, spans, 0, make_spans(spans));
}

int seccomp_restrict(struct err *e)
{
	struct program p;
	struct sock_fprog prog = { .filter = p.code };

	make_program(&p);
	prog.len = (unsigned short)p.n;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return err_errno(e, ERR_SYSTEM, errno, "no filter of system calls");
	return 0;
}
#else
int seccomp_restrict(struct err *e)
{
	return err_set(e, ERR_SYSTEM, "no filter of system calls is known for this processor");
}
#endif
