module leaving

go 1.19
