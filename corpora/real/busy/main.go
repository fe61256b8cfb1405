// Command busy writes heap dumps of a process that is in the middle of everything: loops that signals preempt,
// collections in a row, a profile of every allocation, stacks that grow, panics and faults on their way, full
// queues of finalizers. It is what laws about dumps are held to, and compiles with every Go since 1.5.
//
//	busy PREFIX DUMPS SEED
//
// The dumps are PREFIX0.dump, PREFIX1.dump and so on. Everything that is random depends on SEED, except for what
// the scheduler does.
package main

import (
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// The profiler samples every allocation, from the first one this package makes.
var _ = func() int { runtime.MemProfileRate = 1; return 0 }()

// extra is what later releases add, each in a file of its own.
var extra []func()

func main() {
	if len(os.Args) != 4 {
		fail("usage: busy PREFIX DUMPS SEED")
	}
	dumps, err := strconv.Atoi(os.Args[2])
	check(err)
	seed, err := strconv.Atoi(os.Args[3])
	check(err)
	random := rand.New(rand.NewSource(int64(seed)))

	// Files first: no system call may be under way when a dump is made, as Go 1.26 and 1.27 end the process then.
	var files []*os.File
	for i := 0; i < dumps; i++ {
		file, err := os.Create(os.Args[1] + strconv.Itoa(i) + ".dump")
		check(err)
		files = append(files, file)
	}
	fds := make([]uintptr, dumps)
	for i, file := range files {
		fds[i] = file.Fd() // makes the file blocking, as a dump needs it
	}

	runtime.GOMAXPROCS(2 + seed%3)
	debug.SetGCPercent(20 + 30*(seed%4))
	start(random)
	for i, fd := range fds {
		pause(random)
		debug.WriteHeapDump(fd)
		check(files[i].Close())
	}
	// The goroutines have no end of their own.
	os.Exit(0)
}

// pause lets the others work: for a moment that is not always the same, and from different places.
func pause(random *rand.Rand) {
	time.Sleep(time.Duration(1+random.Intn(30)) * time.Millisecond)
	for i := random.Intn(2000); i > 0; i-- {
		churn(i)
	}
	if random.Intn(4) == 0 {
		runtime.GC()
	}
	if random.Intn(2) == 0 {
		runtime.Gosched()
	}
}

// start starts everything.
func start(random *rand.Rand) {
	park()
	for i := 0; i < 3; i++ {
		go spin(i)
	}
	for i := 0; i < 4; i++ {
		go growTrees(4 + i)
		go growStack(random.Intn(60))
		go fault(i)
		go churnMaps(i)
	}
	for i := 0; i < 40; i++ {
		go exchange(i)
	}
	go keepFinalizing()
	go collect()
	for _, f := range extra {
		f()
	}
}

// collect makes one collection after the other.
func collect() {
	for i := 0; ; i++ {
		runtime.GC()
		if i%8 == 0 {
			debug.FreeOSMemory()
		}
		time.Sleep(time.Millisecond)
	}
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(what string) {
	os.Stderr.WriteString("busy: " + what + "\n")
	os.Exit(1)
}
