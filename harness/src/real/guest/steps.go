package main

import (
	"reflect"
	"runtime"
	"unsafe"
)

// number is what steps panic with besides *cell.
type number uint64

func init() {
	told.Panics = []uintptr{typeWord(reflect.TypeOf((*cell)(nil))), typeWord(reflect.TypeOf(number(0)))}
}

// next makes the i-th call, and the last one waits. Each call makes the next.
//
//go:noinline
func (r *routine) next(i int) {
	if i == len(r.spec.Steps) {
		r.wait()
		return
	}
	s, p := r.spec.Steps[i], r.objects[i]
	switch i++; s.Kind {
	case "plain":
		plain(r, i)
	case "arguments":
		arguments(r, i, p, 7, []unsafe.Pointer{p}, "text")
	case "locals":
		locals(r, i, p)
	case "deep":
		deep(r, i, p, s.Count)
	case "wide":
		wide(r, i)
	case "loop defers":
		loopDefers(r, i, p, s.Count)
	case "open defers":
		openDefers(r, i, p)
	case "stack defers":
		stackDefers(r, i)
	case "panics":
		panics(r, i, p)
	case "panics with number":
		panicsWithNumber(r, i, s.Count)
	case "panics twice":
		panicsTwice(r, i, p)
	case "recovers":
		recovers(r, i, p)
	case "goexits":
		goexits(r, i)
	case "traps":
		traps(r, i)
	case "closure":
		closure(r, i, p)()
	case "method":
		var c caller = &called1{p, 3}
		c.method(r, i)
	case "value method":
		var c caller = called2{[5]unsafe.Pointer{p, nil, p}}
		c.method(r, i)
	case "generic":
		generic[unsafe.Pointer](r, i, p)
	case "generic number":
		generic[uint64](r, i, 5)
	case "reflected":
		reflect.ValueOf(reflected).Call([]reflect.Value{reflect.ValueOf(r), reflect.ValueOf(i), reflect.ValueOf((*cell)(p))})
	case "made":
		f := reflect.MakeFunc(reflect.TypeOf(reflected), func(args []reflect.Value) []reflect.Value {
			r.next(i)
			return args[2:]
		}).Interface().(func(*routine, int, *cell) *cell)
		f(r, i, (*cell)(p))
	}
}

//go:noinline
func plain(r *routine, i int) { r.next(i); runtime.KeepAlive(r) }

//go:noinline
func arguments(r *routine, i int, p unsafe.Pointer, n uint64, s []unsafe.Pointer, t string) (unsafe.Pointer, string) {
	r.next(i)
	s[0] = p
	return p, t
}

// locals has a variable whose address is taken.
//
//go:noinline
func locals(r *routine, i int, p unsafe.Pointer) {
	local := [3]cell{{p, magic + 4096 + uintptr(r.place*64+i-1)}, {nil, 1}, {p, 2}}
	local[1].p = unsafe.Pointer(&local[2])
	look(&local)
	r.next(i)
	look(&local)
}

//go:noinline
func look(local *[3]cell) { sum += local[0].n }

var sum uintptr

//go:noinline
func deep(r *routine, i int, p unsafe.Pointer, n int) unsafe.Pointer {
	if n == 0 {
		r.next(i)
		return p
	}
	q := deep(r, i, p, n-1)
	runtime.KeepAlive(p)
	return q
}

//go:noinline
func wide(r *routine, i int) {
	var bytes [5000]byte
	fill(&bytes)
	r.next(i)
	fill(&bytes)
}

//go:noinline
func fill(bytes *[5000]byte) {
	for i := range bytes {
		bytes[i] = byte(i)
	}
}

// loopDefers has records on the heap.
//
//go:noinline
func loopDefers(r *routine, i int, p unsafe.Pointer, n int) {
	for j := 0; j < n; j++ {
		defer func() { runtime.KeepAlive(p) }()
	}
	r.next(i)
}

// openDefers has no records for what it defers.
//
//go:noinline
func openDefers(r *routine, i int, p unsafe.Pointer) {
	defer func() { runtime.KeepAlive(p) }()
	if i > 0 {
		defer func() { runtime.KeepAlive(r) }()
	}
	r.next(i)
}

// stackDefers has records on its stack: nine, because more than eight are never inline.
//
//go:noinline
func stackDefers(r *routine, i int) {
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	defer func() {}()
	r.next(i)
}

//go:noinline
func panics(r *routine, i int, p unsafe.Pointer) {
	defer func() { r.next(i) }()
	panic((*cell)(p))
}

//go:noinline
func panicsWithNumber(r *routine, i, n int) {
	defer func() { r.next(i) }()
	panic(number(n))
}

//go:noinline
func panicsTwice(r *routine, i int, p unsafe.Pointer) {
	defer func() { r.next(i) }()
	defer func() { panic(number(i)) }()
	panic((*cell)(p))
}

//go:noinline
func recovers(r *routine, i int, p unsafe.Pointer) {
	defer func() {
		recover()
		r.next(i)
	}()
	panic((*cell)(p))
}

//go:noinline
func goexits(r *routine, i int) {
	defer func() { r.next(i) }()
	runtime.Goexit()
}

//go:noinline
func traps(r *routine, i int) {
	defer func() { r.next(i) }()
	var c *cell
	c.n = 1
}

//go:noinline
func closure(r *routine, i int, p unsafe.Pointer) func() {
	return func() {
		r.next(i)
		runtime.KeepAlive(p)
	}
}

type caller interface{ method(r *routine, i int) }

type called1 struct {
	p unsafe.Pointer
	n int
}

type called2 struct{ p [5]unsafe.Pointer }

//go:noinline
func (c *called1) method(r *routine, i int) { r.next(i); c.n++ }

//go:noinline
func (c called2) method(r *routine, i int) { r.next(i); runtime.KeepAlive(c.p[2]) }

//go:noinline
func generic[T any](r *routine, i int, value T) T {
	values := [2]T{value, value}
	r.next(i)
	return values[i&1]
}

//go:noinline
func reflected(r *routine, i int, c *cell) *cell {
	r.next(i)
	return c
}
