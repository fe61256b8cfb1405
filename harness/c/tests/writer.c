/* The beginning of a writer: reads what it needs first, and writes the header and no record. */
#include <stdio.h>
#include <string.h>

#include "heapmatrix.h"

static int write_dump(const heapmatrix_target *target, heapmatrix_output *output, void *context)
{
    static const char header[] = "go1.5 heap dump\n";
    unsigned char word[8];
    uint64_t mheap = heapmatrix_symbol(target, "runtime.mheap_");
    int *calls = context;

    ++*calls;
    if (strcmp(heapmatrix_arch(target), "mips") != 0 || heapmatrix_pointer_size(target) != 4 || !heapmatrix_big_endian(target))
        return 1;
    if (mheap == 0 || heapmatrix_symbol(target, "runtime.nothing") != 0)
        return 2;
    if (heapmatrix_read(target, mheap, word, heapmatrix_pointer_size(target)) != 0)
        return 3;
    heapmatrix_write(output, header, strlen(header));
    return 0;
}

int main(void)
{
    char message[2000];
    int calls = 0;
    int status = heapmatrix_check_writer(write_dump, &calls, "mips", 9, 1, message, sizeof message);

    printf("%d %s", calls, message);
    return status;
}
