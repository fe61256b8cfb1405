// The guest of heapmatrix exec's tests: it does what its first argument says.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
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
			for i := 0; i < len(piece); i += 4096 {
				piece[i] = 1
			}
			kept = append(kept, piece)
		}
	case "read":
		content, err := os.ReadFile(argument)
		fmt.Println(string(content), err)
	case "write":
		fmt.Println(os.WriteFile(argument, []byte("written\n"), 0o644))
	case "write-all":
		for _, path := range os.Args[2:] {
			os.MkdirAll(filepath.Dir(path), 0o777)
			os.WriteFile(path, []byte("written\n"), 0o644)
		}
	case "write-each":
		for _, path := range os.Args[2:] {
			fmt.Println(os.WriteFile(path, []byte("written\n"), 0o644))
		}
	case "input":
		text, _ := io.ReadAll(os.Stdin)
		// Of a file it is known how large it is.
		info, _ := os.Stdin.Stat()
		fmt.Printf("%q %v\n", text, info.Mode().IsRegular())
	case "miss":
		for i := 0; i < 2; i++ {
			_, _, errno := syscall.RawSyscall(syscall.SYS_EXECVE, 0, 0, 0)
			fmt.Println(errno)
		}
		_, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		fmt.Println(err)
	case "dump-and-delete":
		file, err := os.Create("dump")
		if err != nil {
			panic(err)
		}
		debug.WriteHeapDump(file.Fd())
		file.Close()
		os.Remove("dump")
	case "show":
		fmt.Println(os.Args, os.Environ(), runtime.NumCPU())
	}
}
