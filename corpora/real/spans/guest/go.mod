module spans

go 1.19
