// Service is shaped like the servers whose heaps people look into: sessions, users, caches, queues, workers, a planted
// leak. It writes a heap dump, lets the leak grow, and writes another one.
//
//	service SESSIONS BEFORE.dump AFTER.dump
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

var server *Server

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: service SESSIONS BEFORE.dump AFTER.dump")
		os.Exit(2)
	}
	sessions, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	server = newServer(sessions)
	private := newRegistry(sessions/10 + 1)
	server.start()
	dump(os.Args[2])
	server.leak(sessions)
	dump(os.Args[3])
	fmt.Println(len(server.sessions), private.sum(), server.stop())
}

// dump writes a heap dump without what is garbage already.
func dump(path string) {
	file, err := os.Create(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer file.Close()
	runtime.GC()
	runtime.GC()
	debug.WriteHeapDump(file.Fd())
}
