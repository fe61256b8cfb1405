package main

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// routine is a goroutine of the world. It holds what its steps are given, so that their frames need not.
type routine struct {
	place   int
	spec    *goroutine
	objects []unsafe.Pointer // of each step
	started bool
}

func newRoutine(place int, spec *goroutine, objects []unsafe.Pointer) *routine {
	r := &routine{place: place, spec: spec}
	for _, s := range spec.Steps {
		r.objects = append(r.objects, objects[s.Object])
	}
	told.Goroutines = append(told.Goroutines, 0)
	return r
}

//go:noinline
func (r *routine) start() {
	go func() {
		r.started = true
		told.identify(r.place)
		r.next(0)
	}()
}

// forever is what goroutines wait for.
var forever = make(chan int)

//go:noinline
func (r *routine) wait() {
	switch r.spec.Wait {
	case "receive", "runnable":
		<-forever
	case "send":
		make(chan unsafe.Pointer) <- unsafe.Pointer(r)
	case "nil receive":
		var c chan int
		<-c
	case "nil send":
		var c chan *routine
		c <- r
	case "select":
		select {
		case <-forever:
		case make(chan *routine) <- r:
		case <-time.After(time.Hour):
		}
	case "block":
		select {}
	case "sleep":
		time.Sleep(time.Hour)
	case "mutex":
		var m sync.Mutex
		m.Lock()
		m.Lock()
	case "rwmutex":
		var m sync.RWMutex
		m.Lock()
		m.RLock()
	case "cond":
		c := sync.NewCond(new(sync.Mutex))
		c.L.Lock()
		c.Wait()
	case "waitgroup":
		var g sync.WaitGroup
		g.Add(1)
		g.Wait()
	case "pipe":
		in, out, err := os.Pipe()
		if err != nil {
			fail(err)
		}
		pipes = append(pipes, in, out)
		in.Read(make([]byte, 1))
	case "syscall":
		var p [2]int
		if err := syscall.Pipe(p[:]); err != nil {
			fail(err)
		}
		syscall.Read(p[0], make([]byte, 1))
	case "locked":
		runtime.LockOSThread()
		<-forever
	case "yield":
		for {
			runtime.Gosched()
		}
	}
	fail(errors.New("nothing waits for " + r.spec.Wait))
}

var pipes []*os.File

// settle gives goroutines the time to come to where they wait.
func settle() {
	for i := 0; i < 20; i++ {
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}
