package main

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

var parked struct {
	mutex sync.Mutex
	cond  *sync.Cond
	group sync.WaitGroup
	never chan *node
	read  *os.File
	write *os.File
}

// park starts goroutines that wait for each reason a program can give, some of them in the middle of a
// panic, and returns the number of files they keep open.
func park() int {
	parked.never = make(chan *node)
	parked.cond = sync.NewCond(new(sync.Mutex))
	parked.mutex.Lock()
	parked.group.Add(1)
	var err error
	if parked.read, parked.write, err = os.Pipe(); err != nil {
		fail(err)
	}
	var raw [2]int
	if err := syscall.Pipe(raw[:]); err != nil {
		fail(err)
	}

	// Channels. Senders and receivers need channels of their own, or they would meet.
	var none chan int
	go func() { <-parked.never }()
	go func() { <-none }()
	go func() { none <- 1 }()
	full := make(chan *node)
	go func() { full <- world.ring }()
	go func() {
		select {
		case <-parked.never:
		case full <- world.ring.next:
		}
	}()
	go func() { select {} }()

	// Locks, time, files, system calls.
	go func() { parked.mutex.Lock() }()
	go func() { parked.cond.L.Lock(); parked.cond.Wait() }()
	go func() { parked.group.Wait() }()
	go func() { time.Sleep(time.Hour) }()
	go func() { var b [1]byte; parked.read.Read(b[:]) }()
	go func() { b := make([]byte, 1); syscall.Read(raw[0], b) }()
	go func() { runtime.LockOSThread(); <-parked.never }()

	// Stacks: deep, wide, with arguments and results of every kind.
	go func() { descend(40, world.ring, label("deep"), [3]*node{world.ring}) }()
	go func() { var wide [4096]byte; occupy(&wide) }()

	// Defers and panics.
	go deferInLoop(3)
	go deferOpenCoded(world.ring)
	go recovered()
	go panicInPanic()
	go exiting()

	settle()
	return 2
}

//go:noinline
func descend(depth int, n *node, s shape, window [3]*node) (sum int, last *node) {
	if depth == 0 {
		return 0, <-parked.never
	}
	window[depth%3] = n.next
	sum, last = descend(depth-1, n.next, s, window)
	return sum + s.Area(), last
}

//go:noinline
func occupy(wide *[4096]byte) {
	for i := range wide {
		wide[i] = byte(i)
	}
	<-parked.never
	runtime.KeepAlive(wide)
}

// deferInLoop has defer records on the heap.
func deferInLoop(n int) {
	for i := 0; i < n; i++ {
		defer func(r *node) { runtime.KeepAlive(r) }(world.ring)
	}
	<-parked.never
}

// deferOpenCoded has no record for its own defer, which the compiler puts inline, but its callee has one
// on the stack: a conditional in a loop of gotos is beyond the inline scheme.
func deferOpenCoded(n *node) {
	defer runtime.KeepAlive(n)
	deferOnStack()
}

func deferOnStack() {
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}() // the ninth: more than eight are never inline
	<-parked.never
}

// recovered parks in the deferred call that has recovered the panic: the record is there, marked so.
func recovered() {
	defer func() {
		recover()
		<-parked.never
	}()
	panic(errors.New("recovered"))
}

// panicInPanic parks with two panics, the second one raised while the first one unwinds.
func panicInPanic() {
	defer func() { <-parked.never }()
	defer func() { panic(point{2, 2}) }()
	panic(world.ring)
}

// exiting parks in a deferred call that runtime.Goexit runs.
func exiting() {
	defer func() { <-parked.never }()
	runtime.Goexit()
}
