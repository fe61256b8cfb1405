/*
 * heapmatrix: is my heap dump right, on machines that I don't have?
 *
 * A writer is a function. It is called with processes of Go 1.5 on every machine, reads their memory with
 * heapmatrix_read, and writes their heap dumps with heapmatrix_write. What it writes is compared with what was put there.
 *
 * All functions may be called from the writer alone, except heapmatrix_check_writer, which calls it: on a thread of its
 * own, with one process at a time, and before it returns.
 */
#ifndef HEAPMATRIX_H
#define HEAPMATRIX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A process that stands still. Valid until the writer returns. */
typedef struct heapmatrix_target heapmatrix_target;

/* Where a dump goes. Valid until the writer returns. */
typedef struct heapmatrix_output heapmatrix_output;

/*
 * Writes the heap dump of a process. Returns 0 if that is complete, and any other number if it gives up. `context` is what
 * heapmatrix_check_writer got.
 */
typedef int (*heapmatrix_writer)(const heapmatrix_target *target, heapmatrix_output *output, void *context);

/* The process's GOARCH, such as "ppc64". */
const char *heapmatrix_arch(const heapmatrix_target *target);

/* The size of its pointers in bytes: 4 or 8. */
unsigned heapmatrix_pointer_size(const heapmatrix_target *target);

/* Whether the most significant byte of a word comes first: 0 or 1. */
int heapmatrix_big_endian(const heapmatrix_target *target);

/* The address of one of the runtime's symbols, such as "runtime.mheap_"; 0 if the program does not have it. */
uint64_t heapmatrix_symbol(const heapmatrix_target *target, const char *name);

/* Reads memory. Returns 0, or -1 if a byte of it is not there; then nothing is written to `buffer`. */
int heapmatrix_read(const heapmatrix_target *target, uint64_t address, void *buffer, size_t length);

/* The number of roots for which the dump has to have `otherroot` records. */
size_t heapmatrix_other_roots(const heapmatrix_target *target);

/*
 * One of them: its description, of `length` bytes and without a zero byte after them, and the address to which it leads.
 * Returns 0, or -1 if there is none of this number.
 */
int heapmatrix_other_root(const heapmatrix_target *target, size_t number, const char **description, size_t *length,
                          uint64_t *address);

/* Writes a part of the dump. */
void heapmatrix_write(heapmatrix_output *output, const void *bytes, size_t length);

/*
 * Calls a writer for so many worlds, from this seed on, on machines: names separated by commas, or NULL for all of them.
 * Returns 0 if every dump is right, 1 if one is not, and 2 if a machine has no worlds or `writer` is NULL. `message` gets
 * the report, or what is wrong, cut at `size` bytes with a zero byte at its end; it may be NULL.
 */
int heapmatrix_check_writer(heapmatrix_writer writer, void *context, const char *machines, uint64_t seed, uint64_t worlds,
                            char *message, size_t size);

#ifdef __cplusplus
}
#endif

#endif
