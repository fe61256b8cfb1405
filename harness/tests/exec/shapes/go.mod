module heapmatrix/shapes

go 1.19
