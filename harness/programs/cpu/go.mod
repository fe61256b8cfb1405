module heapmatrix/cpu
