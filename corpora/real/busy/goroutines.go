package main

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

var waits struct {
	sync.Mutex
	shared sync.RWMutex
	group  sync.WaitGroup
	ring   [4]chan *tree
	stop   chan int
	cond   *sync.Cond
}

// park starts what waits for ever, for each reason; the others come and go.
func park() {
	for i := range waits.ring {
		waits.ring[i] = make(chan *tree, i)
	}
	waits.stop = make(chan int)
	waits.cond = sync.NewCond(new(sync.Mutex))
	waits.group.Add(1)
	var none chan int
	var raw [2]int
	check(syscall.Pipe(raw[:]))
	read, _, err := os.Pipe()
	check(err)
	go func() { <-none }()
	go func() { select {} }()
	go func() { waits.group.Wait() }()
	go func() { time.Sleep(time.Hour) }()
	go func() { runtime.LockOSThread(); <-waits.stop }()
	go func() { waits.cond.L.Lock(); waits.cond.Wait() }()
	go func() { b := make([]byte, 1); syscall.Read(raw[0], b) }()
	go func() { b := make([]byte, 1); read.Read(b) }()
	time.Sleep(10 * time.Millisecond) // the system call is under way for good
}

// exchange sends, receives, selects, sleeps and locks.
func exchange(i int) {
	ticker := time.NewTicker(time.Duration(1+i) * time.Millisecond)
	for ; ; i++ {
		select {
		case waits.ring[i%4] <- &tree{}:
		case t := <-waits.ring[(i+1)%4]:
			sink = t
		case <-ticker.C:
			time.AfterFunc(time.Millisecond, func() { churn(i) })
		case <-time.After(time.Duration(1+i%5) * time.Millisecond):
		}
		switch i % 5 {
		case 0:
			waits.Lock()
			churn(i)
			runtime.Gosched()
			waits.Unlock()
		case 1:
			waits.shared.RLock()
			runtime.Gosched()
			waits.shared.RUnlock()
		case 2:
			waits.shared.Lock()
			waits.shared.Unlock()
		case 3:
			done := make(chan bool)
			go func() { defer close(done); growOnce(i % 30) }()
			<-done
		}
	}
}

// growStack goes down and comes back, so that its stack grows and shrinks.
func growStack(depth int) {
	for i := 0; ; i++ {
		growOnce((depth + i) % 200)
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

//go:noinline
func growOnce(depth int) (sum int, last *tree) {
	var wide [100]int
	if depth == 0 {
		runtime.Gosched()
		return 1, live[5]
	}
	wide[depth%100] = depth
	defer func(t *tree) { sum += wide[depth%100]; last = t }(live[4])
	return growOnce(depth - 1)
}

var errFault = errors.New("fault")

// fault has panics and faults of every kind, and waits in the middle of them.
func fault(i int) {
	for ; ; i++ {
		recovering(i)
	}
}

func recovering(i int) {
	defer func() {
		wait(i)
		recover()
		wait(i + 1)
	}()
	defer func() {
		if i%5 == 0 {
			defer func() { recover() }()
			panic(i)
		}
	}()
	switch i % 8 {
	case 0:
		sink = leafFault(nil)
	case 1:
		sink = framedFault(nil, i)
	case 2:
		var f func(int) int
		sink = f(i)
	case 3:
		sink = divide(i, i-i)
	case 4:
		panic(errFault)
	case 5:
		sink = leaves[i+len(leaves)]
	case 6:
		done := make(chan bool)
		go func() {
			defer close(done)
			defer wait(i)
			runtime.Goexit()
		}()
		<-done
	case 7:
		defer func() { panic("second") }()
		leafFault(nil)
	}
}

// wait lets others in, a dump among them.
func wait(i int) {
	if i%3 == 0 {
		time.Sleep(time.Millisecond)
	} else {
		runtime.Gosched()
	}
}

//go:noinline
func leafFault(t *tree) *tree { return t.left }

//go:noinline
func framedFault(t *tree, i int) *tree {
	defer wait(i)
	churn(i)
	return t.right.left
}

//go:noinline
func divide(a, b int) int { return a / b }
