package main

import (
	"reflect"
	"runtime"
	"unsafe"
)

// setFinalizer registers a finalizer on an object, and reports what a dump has of it.
func setFinalizer(f finalizer, t reflect.Type, object unsafe.Pointer) {
	pointer := reflect.NewAt(t, object)
	if f.Kind == "cleanup" {
		addCleanup(object)
		return
	}
	var function interface{}
	switch f.Kind {
	case "any":
		function = finalize
	case "closure":
		function = finalizeWith(object == nil)
	case "results":
		result := []reflect.Type{reflect.TypeOf(0), pointer.Type()}
		function = reflect.MakeFunc(reflect.FuncOf([]reflect.Type{pointer.Type()}, result, false), nil).Interface()
	case "made":
		function = reflect.MakeFunc(reflect.FuncOf([]reflect.Type{pointer.Type()}, nil, false), nil).Interface()
	}
	runtime.SetFinalizer(pointer.Interface(), function)
	told.Finalizers = append(told.Finalizers, finalizerOf(uintptr(object), pointer.Type(), function))
}

func finalize(interface{}) {}

//go:noinline
func finalizeWith(b bool) func(interface{}) {
	return func(interface{}) { cells[0].n += uintptr(leaves(reflect.TypeOf(b))) }
}

// finalizerOf is what there is to say about a finalizer: words, that hold nothing alive.
func finalizerOf(object uintptr, t reflect.Type, function interface{}) final {
	closure := (*words)(unsafe.Pointer(&function)).data
	return final{
		Object: object, Closure: uintptr(closure), Code: *(*uintptr)(closure),
		Argument: typeWord(reflect.TypeOf(function).In(0)), Type: typeWord(t),
	}
}

var running = make(chan bool)

// queueFinalizers makes so many finalizers due. None of them comes to an end, because the first doesn't.
func queueFinalizers(n int) {
	if n == 0 {
		return
	}
	discard(n)
	runtime.GC()
	<-running
	settle()
}

// discard has a stack frame of its own, so that nothing keeps the objects.
//
//go:noinline
func discard(n int) {
	for i := 0; i < n; i++ {
		c := &cell{nil, magic + 1024 + uintptr(i)}
		runtime.SetFinalizer(c, endless)
		told.Queued = append(told.Queued, finalizerOf(uintptr(unsafe.Pointer(c)), reflect.TypeOf(c), endless))
	}
}

func endless(*cell) {
	running <- true
	select {}
}
