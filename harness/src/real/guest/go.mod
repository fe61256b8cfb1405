module world

go 1.19
