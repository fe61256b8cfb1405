// What a program can see of a file system, line by line: the same under Linux and under heapmatrix exec.
//
// It works in a new folder below the one that it is started in.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// say prints what a call answers; of an error only its number's name.
func say(what string, err error, values ...any) {
	var errno syscall.Errno
	answer := "ok"
	switch {
	case errors.As(err, &errno):
		answer = errno.Error()
	case err != nil:
		answer = err.Error()
	}
	fmt.Println(append([]any{what + ":", answer}, values...)...)
}

func main() {
	dir, err := os.MkdirTemp(".", "files")
	say("a new folder", err)
	say("chdir", os.Chdir(dir))
	syscall.Umask(0o022)
	creating()
	looking()
	times()
	links()
	renaming()
	listing()
	lengths()
	descriptors()
	locks()
	mapping()
	pipes()
	waiting()
	input()
	say("chdir back", os.Chdir(".."))
	say("remove all", os.RemoveAll(dir))
	_, err = os.Stat(dir)
	say("gone", err)
}

func write(path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		fmt.Println("cannot write", path, err)
	}
}

func creating() {
	_, err := os.Open("")
	say("open nothing", err)
	_, err = os.Create("no/such/file")
	say("create without a folder", err)
	say("mkdir without a folder", os.Mkdir("no/such", 0o777))
	write("f", "0123456789")
	_, err = os.Open("f/below")
	say("below a file", err)
	_, err = os.Open("f/")
	say("a file with a slash", err)
	_, err = os.Create("f/new")
	say("create below a file", err)
	_, err = os.OpenFile("f", os.O_RDONLY|syscall.O_DIRECTORY, 0)
	say("open a file as a folder", err)
	_, err = os.OpenFile(".", os.O_RDWR, 0)
	say("open a folder to write", err)
	_, err = os.OpenFile("f", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	say("create once more", err)
	_, err = os.Open(strings.Repeat("n", 256))
	say("a long name", err)
	_, err = os.Open(strings.Repeat("./", 2048) + "f")
	say("a long path", err)
	say("mkdir", os.Mkdir("d", 0o777))
	say("mkdir again", os.Mkdir("d", 0o777))
	say("rmdir of a file", syscall.Rmdir("f"))
	say("unlink of a folder", syscall.Unlink("d"))
	say("rmdir .", syscall.Rmdir("d/."))
	say("rmdir", syscall.Rmdir("d"))
}

func looking() {
	open, _ := os.OpenFile("x", os.O_CREATE|os.O_RDWR, 0o751)
	defer open.Close()
	byFd, err := open.Stat()
	say("fstat", err)
	byPath, err := os.Stat("./x")
	say("stat", err, byPath.Mode(), byPath.Size(), os.SameFile(byFd, byPath))
	folder, _ := os.Stat(".")
	say("a folder", nil, folder.Mode().IsDir(), folder.Mode().Perm())
	null, err := os.Stat("/dev/null")
	say("/dev/null", err, null.Mode().Type())
	say("chmod", os.Chmod("x", 0o604))
	byFd, _ = open.Stat()
	fmt.Println(byFd.Mode())
	say("fchmod", open.Chmod(0o640))
	byPath, _ = os.Stat("x")
	fmt.Println(byPath.Mode())
	old := syscall.Umask(0o077)
	fmt.Printf("umask %#o\n", old)
	os.Mkdir("private", 0o777)
	private, _ := os.Stat("private")
	fmt.Println(private.Mode())
	syscall.Umask(old)
	cwd, err := os.Getwd()
	say("getwd", err, strings.HasPrefix(filepath.Base(cwd), "files"))
}

func times() {
	before, _ := os.Stat("f")
	time.Sleep(20 * time.Millisecond)
	after, _ := os.Stat("f")
	say("times stand still", nil, before.ModTime().Equal(after.ModTime()))
	f, _ := os.OpenFile("f", os.O_RDWR, 0)
	f.WriteAt([]byte("x"), 3)
	f.Close()
	after, _ = os.Stat("f")
	say("a write moves them", nil, after.ModTime().After(before.ModTime()))
	moment := time.Unix(1_000_000_000, 123_456_789)
	say("chtimes", os.Chtimes("f", moment, moment.Add(time.Hour)))
	after, _ = os.Stat("f")
	fmt.Println(after.ModTime().UTC().Format(time.RFC3339Nano))
	say("chtimes of nothing", os.Chtimes("nothing", moment, moment))
}

func links() {
	say("symlink", os.Symlink("f", "s"))
	target, err := os.Readlink("s")
	say("readlink", err, target)
	_, err = os.Readlink("f")
	say("readlink of a file", err)
	info, _ := os.Lstat("s")
	fmt.Println(info.Mode())
	text, err := os.ReadFile("s")
	say("read through it", err, string(text))
	say("a loop", os.Symlink("loop", "loop"))
	_, err = os.Open("loop")
	say("open it", err)
	say("dangling", os.Symlink("new", "dangling"))
	_, err = os.Stat("dangling")
	say("stat it", err)
	write("dangling", "made through a link")
	text, err = os.ReadFile("new")
	say("what it made", err, string(text))
	say("link", os.Link("f", "hard"))
	a, _ := os.Stat("f")
	b, _ := os.Stat("hard")
	say("the same", nil, os.SameFile(a, b), a.Sys().(*syscall.Stat_t).Nlink)
	say("link a folder", os.Link("private", "hard2"))
	say("unlink", os.Remove("hard"))
	a, _ = os.Stat("f")
	fmt.Println(a.Sys().(*syscall.Stat_t).Nlink)
}

func renaming() {
	os.MkdirAll("r/a/b", 0o777)
	write("r/a/b/file", "deep")
	say("rename a folder", os.Rename("r/a", "r/z"))
	text, err := os.ReadFile("r/z/b/file")
	say("what is in it", err, string(text))
	say("into itself", syscall.Rename("r/z", "r/z/b/c"))
	say("nothing", os.Rename("r/none", "r/other"))
	say("over a folder that is full", syscall.Rename("private", "r"))
	say("a file over a folder", syscall.Rename("f", "private"))
	say("a folder over a file", syscall.Rename("private", "f"))
	os.Mkdir("empty", 0o777)
	say("over an empty folder", syscall.Rename("r/z", "empty"))
	write("one", "1")
	write("two", "2")
	say("over a file", os.Rename("one", "two"))
	text, _ = os.ReadFile("two")
	fmt.Println(string(text))
	say("to itself", os.Rename("two", "two"))
}

func listing() {
	os.Mkdir("many", 0o777)
	for i := 0; i < 600; i++ {
		write(fmt.Sprintf("many/file-with-a-long-name-%04d", i), "")
	}
	folder, _ := os.Open("many")
	removed := 0
	for {
		names, err := folder.Readdirnames(100)
		for _, name := range names {
			os.Remove(filepath.Join("many", name))
			removed++
		}
		if err != nil {
			break
		}
	}
	left, _ := os.ReadDir("many")
	fmt.Println("removed while listing", removed, "left", len(left))
	write("many/new", "")
	_, err := folder.Seek(0, io.SeekStart)
	names, _ := folder.Readdirnames(0)
	say("from the start", err, names)
	folder.Close()
	entries, err := os.ReadDir(".")
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name()+entry.Type().String())
	}
	sort.Strings(all)
	say("readdir", err, all)
	_, err = os.ReadDir("f")
	say("readdir of a file", err)
}

func lengths() {
	say("truncate", os.Truncate("f", 4))
	text, _ := os.ReadFile("f")
	fmt.Printf("%q\n", text)
	say("lengthen", os.Truncate("f", 6))
	text, _ = os.ReadFile("f")
	fmt.Printf("%q\n", text)
	say("truncate a folder", os.Truncate("private", 0))
	say("to less than nothing", os.Truncate("f", -1))
	f, _ := os.OpenFile("f", os.O_RDWR|os.O_APPEND, 0)
	f.WriteString("end")
	at, _ := f.Seek(0, io.SeekCurrent)
	fmt.Println("after appending", at)
	_, err := f.Seek(-1, io.SeekStart)
	say("before the start", err)
	at, err = f.Seek(100, io.SeekEnd)
	say("after the end", err, at)
	n, err := f.Read(make([]byte, 4))
	fmt.Println("read there", n, err)
	f.Close()
	f, _ = os.Create("sparse")
	f.WriteAt([]byte("x"), 1<<33)
	info, _ := f.Stat()
	fmt.Println("sparse", info.Size(), info.Sys().(*syscall.Stat_t).Blocks < 100)
	f.Close()
	os.Remove("sparse")
	f, _ = os.Open("f")
	_, err = f.Write([]byte("x"))
	say("write what is read", err)
	say("truncate what is read", f.Truncate(1))
	f.Close()
	full, _ := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	_, err = full.Write([]byte("x"))
	say("a full device", err)
}

func descriptors() {
	f, _ := os.OpenFile("two", os.O_RDWR|os.O_SYNC, 0)
	defer f.Close()
	fd := int(f.Fd())
	dup, err := syscall.Dup(fd)
	say("dup", err)
	syscall.Write(dup, []byte("abc"))
	at, _ := f.Seek(0, io.SeekCurrent)
	fmt.Println("shared position", at)
	say("dup3 to itself", syscall.Dup3(fd, fd, 0))
	syscall.Close(dup)
	_, err = syscall.Write(dup, nil)
	say("closed", err)
	flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	fmt.Println("close on exec", flags)
	flags, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	fmt.Println("access", flags&syscall.O_ACCMODE == syscall.O_RDWR, flags&syscall.O_CREAT == 0)
	n, err := f.WriteAt([]byte("!"), 1)
	say("pwrite", err, n)
	unnamed, _ := os.Create("unnamed")
	os.Remove("unnamed")
	unnamed.WriteString("still here")
	text := make([]byte, 20)
	n, _ = unnamed.ReadAt(text, 0)
	fmt.Println(string(text[:n]))
	again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", unnamed.Fd()))
	say("through /proc", err)
	n, _ = again.Read(text)
	fmt.Println(string(text[:n]))
	again.Close()
	unnamed.Close()
	executable, err := os.Executable()
	_, found := os.Stat(executable)
	say("executable", err, found == nil, filepath.Base(executable) == filepath.Base(os.Args[0]))
}

func locks() {
	a, _ := os.OpenFile("two", os.O_RDWR, 0)
	b, _ := os.OpenFile("two", os.O_RDWR, 0)
	defer a.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Len: 10}
	say("a record lock", syscall.FcntlFlock(a.Fd(), syscall.F_SETLK, &lock))
	say("the process's own", syscall.FcntlFlock(b.Fd(), syscall.F_GETLK, &lock), lock.Type == syscall.F_UNLCK)
	say("flock", syscall.Flock(int(a.Fd()), syscall.LOCK_EX))
	say("another's", syscall.Flock(int(b.Fd()), syscall.LOCK_SH|syscall.LOCK_NB))
	go func() {
		time.Sleep(10 * time.Millisecond)
		syscall.Flock(int(a.Fd()), syscall.LOCK_UN)
	}()
	say("waited for", syscall.Flock(int(b.Fd()), syscall.LOCK_EX))
	b.Close()
	say("gone with its file", syscall.Flock(int(a.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	read, _ := os.Open("two")
	lock = syscall.Flock_t{Type: syscall.F_WRLCK}
	say("a write lock to read", syscall.FcntlFlock(read.Fd(), syscall.F_SETLK, &lock))
	read.Close()
}

func mapping() {
	write("map", strings.Repeat("-", 8192))
	f, _ := os.OpenFile("map", os.O_RDWR, 0)
	defer f.Close()
	memory, err := syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	say("map", err)
	copy(memory[4090:], "across two pages")
	text := make([]byte, 20)
	f.ReadAt(text, 4088)
	fmt.Println(string(text))
	f.WriteAt([]byte("written"), 100)
	fmt.Println(string(memory[98:109]))
	copy(memory, "late")
	say("unmap", syscall.Munmap(memory))
	f.ReadAt(text[:6], 0)
	fmt.Println(string(text[:6]))
	_, err = syscall.Mmap(int(f.Fd()), 1, 10, syscall.PROT_READ, syscall.MAP_SHARED)
	say("map from the middle of a page", err)
	read, _ := os.Open("map")
	_, err = syscall.Mmap(int(read.Fd()), 0, 10, syscall.PROT_WRITE, syscall.MAP_SHARED)
	say("map for writing what is read", err)
	read.Close()
}

func pipes() {
	r, w, err := os.Pipe()
	say("pipe", err)
	go func() {
		w.WriteString(strings.Repeat("0123456789", 20_000))
		w.Close()
	}()
	var all bytes.Buffer
	n, err := io.Copy(&all, r)
	say("through a pipe", err, n)
	r.Close()
	signal.Ignore(syscall.SIGPIPE)
	r, w, _ = os.Pipe()
	r.Close()
	_, err = w.WriteString("x")
	say("nobody reads", err)
	_, err = w.Seek(0, io.SeekCurrent)
	say("seek a pipe", err)
	say("mkfifo", syscall.Mkfifo("fifo", 0o600))
	_, err = syscall.Open("fifo", syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	say("nobody has opened it", err)
	go write("fifo", "through a name")
	text, err := os.ReadFile("fifo")
	say("a named pipe", err, string(text))
	info, _ := os.Stat("fifo")
	fmt.Println(info.Mode())
}

func waiting() {
	r, w, _ := os.Pipe()
	r.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, err := r.Read(make([]byte, 1))
	fmt.Println("deadline", errors.Is(err, os.ErrDeadlineExceeded))
	w.Close()
	r.Close()
	alarms := make(chan os.Signal, 9)
	signal.Notify(alarms, syscall.SIGALRM)
	every := [4]uintptr{0, 2000, 0, 2000}
	_, _, errno := syscall.Syscall(syscall.SYS_SETITIMER, 0, uintptr(unsafe.Pointer(&every)), 0)
	fmt.Println("setitimer", errno == 0)
	for i := 0; i < 3; i++ {
		fmt.Println(<-alarms)
	}
	syscall.Syscall(syscall.SYS_SETITIMER, 0, uintptr(unsafe.Pointer(&[4]uintptr{})), 0)
	signal.Stop(alarms)
}

func input() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			fmt.Printf("input ends: %q %v\n", line, err)
			return
		}
		fmt.Printf("input: %q\n", line)
	}
}
