package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// must ends the program when something is not as it should be.
func must(ok bool, what string, values ...interface{}) {
	if !ok {
		fmt.Println("WRONG:", what, values)
		os.Exit(1)
	}
	fmt.Println(what)
}

// check uses what programs use of the runtime and of Linux, dumps its heap into the file "dump", and panics.
func check() {
	channels()
	timers()
	collector()
	preemption()
	maps()
	finalizers()
	faults()
	floats()
	files()
	pipes()
	signals()

	file, err := os.Create("dump")
	must(err == nil, "create", err)
	debug.WriteHeapDump(file.Fd())
	must(file.Close() == nil, "close")
	defer fmt.Println("deferred")
	panic("the end")
}

func channels() {
	numbers, sums := make(chan int), make(chan int, 4)
	var adders sync.WaitGroup
	for i := 0; i < 8; i++ {
		adders.Add(1)
		go func() {
			defer adders.Done()
			sum := 0
			for n := range numbers {
				sum += n
			}
			sums <- sum
		}()
	}
	go func() {
		for i := 0; i < 2000; i++ {
			numbers <- i
		}
		close(numbers)
		adders.Wait()
		close(sums)
	}()
	total := 0
	for sum := range sums {
		total += sum
	}
	must(total == 1999000, "channels", total)
}

func timers() {
	start := time.Now()
	ticker, timeout := time.NewTicker(10*time.Millisecond), time.After(time.Second)
	defer ticker.Stop()
	for ticks := 0; ; {
		select {
		case <-ticker.C:
			ticks++
		case <-timeout:
			took := time.Since(start)
			must(ticks > 90 && ticks < 105 && took >= time.Second && took < 2*time.Second, "timers", ticks, took)
			return
		}
	}
}

type node struct {
	left, right *node
	value       int
	name        string
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{value: 1}
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1), value: depth, name: fmt.Sprint(depth)}
}

func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.value + n.left.sum() + n.right.sum()
}

// collector collects while others allocate.
func collector() {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	var stop int32
	var growers sync.WaitGroup
	sums := make([]int, 4)
	for i := range sums {
		growers.Add(1)
		go func(i int) {
			defer growers.Done()
			for atomic.LoadInt32(&stop) == 0 {
				sums[i] = tree(6).sum()
				runtime.Gosched()
			}
		}(i)
	}
	for i := 0; i < 5; i++ {
		tree(8)
		runtime.GC()
	}
	atomic.StoreInt32(&stop, 1)
	growers.Wait()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	must(stats.NumGC >= 5 && sums[3] == tree(6).sum(), "collector", stats.NumGC, sums)
}

// preemption stops the world while a loop runs that calls nothing.
func preemption() {
	done := make(chan int)
	go func() {
		x := 0
		for i := 0; i < 1000000; i++ {
			x += i & 1
		}
		done <- x
	}()
	runtime.Gosched()
	runtime.GC()
	must(<-done == 500000, "preemption")
}

func maps() {
	m := map[string][]int{}
	for i := 0; i < 2000; i++ {
		key := fmt.Sprint("key", i%200)
		m[key] = append(m[key], i)
	}
	for i := 0; i < 100; i++ {
		delete(m, fmt.Sprint("key", i))
	}
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	must(len(keys) == 100 && keys[0] == "key100" && len(m["key199"]) == 10, "maps", len(keys))
}

func finalizers() {
	ran := make(chan int, 100)
	for i := 0; i < 100; i++ {
		runtime.SetFinalizer(&node{value: i}, func(n *node) { ran <- n.value })
	}
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	must(len(ran) >= 99, "finalizers", len(ran))
}

// caught is what a function panics with.
func caught(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

func faults() {
	var n *node
	var far *[1 << 20]int
	zero, empty := len(os.Args)-len(os.Args), []int{}
	for i := 0; i < 50; i++ {
		for _, fault := range []struct {
			does string
			f    func()
		}{
			{"nil pointer", func() { n.value++ }},
			{"nil pointer", func() { far[1<<19]++ }},
			{"divide by zero", func() { zero = 1 / zero }},
			{"out of range", func() { empty[zero]++ }},
		} {
			err := caught(fault.f)
			if err == nil || !strings.Contains(err.Error(), fault.does) {
				must(false, fault.does, err)
			}
		}
	}
	must(deep(5000) == 5000, "faults and deep stacks")
}

func deep(n int) int {
	var frame [64]int
	if n == 0 {
		return frame[0]
	}
	frame[n%64] = n
	return deep(n-1) + frame[n%64] - n + 1
}

func floats() {
	sum := 0.0
	for i := 1; i < 1000; i++ {
		sum += math.Sqrt(float64(i)) * math.Sin(float64(i)) / math.Exp(float64(i)/1e3)
	}
	must(math.Abs(sum+10.2014501105264) < 1e-12, "floats", sum)
}

func files() {
	dir, err := os.MkdirTemp("", "guest")
	must(err == nil, "a directory", err)
	path := filepath.Join(dir, "file")
	must(os.WriteFile(path, bytes.Repeat([]byte("abc\n"), 1000), 0o600) == nil, "written")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	must(err == nil, "opened", err)
	file.WriteString("end")
	file.Seek(-7, io.SeekEnd)
	rest, err := io.ReadAll(file)
	must(string(rest) == "abc\nend", "appended and read", string(rest), err)
	must(file.Truncate(5) == nil && file.Close() == nil, "truncated")
	info, err := os.Stat(path)
	must(err == nil && info.Size() == 5 && info.Mode().IsRegular(), "looked at", err)
	must(os.Mkdir(filepath.Join(dir, "below"), 0o755) == nil, "another directory")
	must(os.Rename(path, filepath.Join(dir, "below", "g")) == nil, "renamed")
	var names []string
	err = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		names = append(names, info.Name())
		return err
	})
	must(err == nil && len(names) == 3 && names[2] == "g", "walked", names, err)
	must(os.RemoveAll(dir) == nil, "removed")
	_, err = os.Stat(dir)
	must(errors.Is(err, os.ErrNotExist), "gone", err)
}

func pipes() {
	reader, writer, err := os.Pipe()
	must(err == nil, "a pipe", err)
	go func() {
		io.Copy(writer, bytes.NewReader(make([]byte, 300000)))
		writer.Close()
	}()
	n, err := io.Copy(io.Discard, reader)
	must(n == 300000, "through it", n, err)
}

func signals() {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	select {
	case <-received:
		must(true, "a signal")
	case <-time.After(time.Second):
		must(false, "a signal")
	}
}
