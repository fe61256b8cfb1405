// The guest of heapmatrix exec's tests: it does what its first argument says.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

var kept [][]byte

func main() {
	argument := ""
	if len(os.Args) > 2 {
		argument = os.Args[2]
	}
	switch os.Args[1] {
	case "check":
		check()
	case "exit":
		os.Exit(3)
	case "panic":
		panic("of its own")
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "spin":
		for i := 0; ; i++ {
			if i < 0 {
				i = 0
			}
		}
	case "eat":
		for {
			piece := make([]byte, 1<<20)
			for i := range piece {
				piece[i] = 1
			}
			kept = append(kept, piece)
		}
	case "read":
		content, err := os.ReadFile(argument)
		fmt.Println(string(content), err)
	case "write":
		fmt.Println(os.WriteFile(argument, []byte("written\n"), 0o644))
	case "show":
		fmt.Println(os.Args, os.Environ(), runtime.NumCPU())
	}
}
