package main

import (
	"reflect"
	"runtime"
	"sync"
	"time"
)

var forever = make(chan int)

// stand starts goroutines that stay where they are.
func stand() {
	var never sync.WaitGroup
	never.Add(1)
	var mutex sync.Mutex
	mutex.Lock()
	cond := sync.NewCond(&mutex)
	for _, f := range []func(){
		func() { deep(200, &node{n: 1}) },
		func() { defers(20) },
		openCoded,
		panics,
		traps,
		func() { onStack(wide{n: [40]uint64{1}, to: &node{n: 2}}) },
		func() { generic[map[string]int](map[string]int{"a": 1}, &node{n: 3}) },
		func() { generic[int](4, &node{n: 4}) },
		stub,
		func() { (&circle[*node]{&node{n: 5}}).wait() },
		func() {
			select {
			case <-forever:
			case heap.chans[0] <- &node{}:
			case <-time.After(time.Hour):
			}
		},
		func() { time.Sleep(time.Hour) },
		never.Wait,
		mutex.Lock,
		cond.L.Lock,
		func() { var c chan int; <-c },
		func() { select {} },
		func() { goexits() },
		func() { runtime.LockOSThread(); <-forever },
	} {
		go f()
	}
	for i := 0; i < 50; i++ {
		go func(i int) { <-forever }(i)
	}
	go spin()
}

//go:noinline
func deep(n int, p *node) int {
	var local [3]*node
	local[n%3] = p
	if n == 0 {
		return <-forever
	}
	return deep(n-1, &node{next: p}) + int(local[n%3].n)
}

func defers(n int) {
	for i := 0; i < n; i++ {
		n := &node{n: uint64(i)}
		defer func() { heap.nodes = append(heap.nodes, n) }()
	}
	defer func() { _ = recover() }()
	<-forever
}

func openCoded() {
	n := &node{n: 7}
	defer use(n)
	if len(heap.nodes) > 0 {
		defer func(m *node) { use(m) }(n.next)
	}
	<-forever
}

//go:noinline
func use(n *node) { heap.large[0] = n }

func panics() {
	defer func() { recover() }()
	defer func() {
		defer func() { <-forever }()
		panic("again")
	}()
	panic(&node{n: 8})
}

func traps() {
	defer func() {
		<-forever
		recover()
	}()
	var n *node
	n.n = 1
}

// onStack has variables on its stack whose addresses it gives away.
func onStack(w wide) {
	var nodes [4]node
	nodes[1].next = &node{n: 9}
	nodes[2].next = &nodes[1]
	w.names = append(w.names, "on the stack")
	look(&nodes[2], &w)
	runtime.KeepAlive(&nodes)
}

//go:noinline
func look(n *node, w *wide) uint64 {
	<-forever
	return n.next.n + w.n[0]
}

//go:noinline
func generic[T any](value T, n *node) (T, *node) {
	var p = pair[*node, T]{key: n, value: value}
	inlined(&p.key)
	return p.value, p.key
}

func inlined(n **node) { <-forever; *n = nil }

func (c *circle[T]) wait() { <-forever }

// stub calls a function that reflect makes.
func stub() {
	f := reflect.MakeFunc(reflect.TypeOf(func(*node, int, wide) *node { return nil }), func(args []reflect.Value) []reflect.Value {
		<-forever
		return args[:1]
	}).Interface().(func(*node, int, wide) *node)
	f(&node{n: 10}, 11, wide{to: &node{n: 12}})
}

func goexits() {
	defer func() { <-forever }()
	runtime.Goexit()
}

// spin never stops by itself, so that it is stopped wherever it is.
func spin() {
	for n := new(node); ; n.n++ {
		if n.n%1000 == 0 {
			heap.large[1] = &node{next: n}
			runtime.Gosched()
		}
	}
}
