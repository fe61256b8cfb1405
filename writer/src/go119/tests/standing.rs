//! Where the goroutines of a stopped process stand, and what its threads hold.

use super::image::{HEAP, Image, STACK, TEXT};
use super::{HEADERS, has};
use crate::go119::{Stopped, Thread};
use crate::memory::Addr;
use crate::runtime::Goroutines;
use crate::target::{Amd64, Mips, S390x, Target};
use crate::testing::{counted, ints};

const TID: u64 = 7;
/// Where the frame is that a thread works on.
const SP: u64 = STACK + 0x1800;
/// The end of the heap's first arena, which is used as a stack here.
const HEAP_END: u64 = HEAP + (1 << 16);

/// A goroutine on an M whose thread is elsewhere; its stack can be unwound from where stacks were switched.
struct Running<T> {
    image: Image<T>,
    /// The PC of a frame at [`SP`] that can be unwound.
    pc: u64,
    g0: u64,
    m: u64,
}

/// What is found out: PC, SP of the registers, SP of the stack, and whether it may be anywhere.
type Stands = Option<(u64, u64, u64, bool)>;

impl<T: Target> Running<T> {
    fn new() -> Self {
        let mut image = Image::<T>::new(HEADERS, &[]);
        let dumpfd = image.variable("runtime.dumpfd");
        image.word(dumpfd, 0);
        let p = T::PTR_SIZE;
        let (entry, _) = image.function("main.work", 4 * p, 0);
        image.word(if T::USES_LR { SP } else { SP + 4 * p }, TEXT + 0x101);
        let (g, m, g0) = (image.g(), image.m(), image.alloc(0x400));
        for (gp, lo, hi) in [(g, STACK, STACK + 0x2000), (g0, HEAP_END - 0x100, HEAP_END)] {
            image.put(gp, "runtime.g", "stack", 0, lo);
            image.put(gp, "runtime.g", "stack", 1, hi);
        }
        image.put(m, "runtime.m", "g0", 0, g0);
        image.put(m, "runtime.m", "procid", 0, TID);
        Running { image, pc: entry + 9, g0, m }
    }

    /// Stacks were switched where nothing can be unwound.
    fn lose_stack(&mut self) {
        let sched = self.image.g() + self.image.offset("runtime.g", "sched");
        self.image.put(sched, "runtime.gobuf", "pc", 0, 0x99_0001);
    }

    fn found(&self, threads: &[Thread]) -> (Stands, Vec<(String, u64)>, u64) {
        let stopped = Stopped::new(threads);
        let go = self.image.go(Some(&stopped)).unwrap();
        let stands = go.standings.of(Addr(self.image.g()));
        let stands = stands.map(|at| (at.registers.pc, at.registers.sp, at.sp, at.anywhere));
        let roots = go.standings.roots.iter().map(|(what, at)| (what.clone(), at.0)).collect();
        assert_eq!(stopped.doubts().running, u64::from(stands.is_some()));
        (stands, roots, stopped.doubts().other_roots)
    }

    /// The same of the only thread.
    fn stands(&self, pc: u64, sp: u64) -> Stands {
        self.found(&[Thread { tid: TID, pc, sp, lr: 0x99_0005, ..Thread::default() }]).0
    }

    /// Where the goroutine's first frame begins and ends.
    fn first_frame(&self, pc: u64, sp: u64) -> (u64, u64) {
        let threads = [Thread { tid: TID, pc, sp, lr: 0x99_0005, ..Thread::default() }];
        let stopped = Stopped::new(&threads);
        let mut frames = Vec::new();
        let go = self.image.go(Some(&stopped)).unwrap();
        go.frames(Addr(self.image.g()), |frame| {
            frames.push((frame.s.sp, frame.s.fp));
            Ok(())
        })
        .unwrap();
        frames[0]
    }
}

fn thread(sp: u64, general: &[u64]) -> Thread {
    Thread { tid: TID, pc: TEXT, sp, lr: 0, general: general.to_vec() }
}

fn root(what: &str, at: u64) -> (String, u64) {
    (format!("{what} of thread 7"), at)
}

fn goroutines_on_their_stacks<T: Target>() {
    let mut running = Running::<T>::new();
    let at = Some((running.pc, SP, SP, true));
    assert_eq!(running.stands(running.pc, SP), at, "{}", T::GOARCH);
    // Where nothing can be unwound, it stands where stacks were switched.
    assert_eq!(running.stands(0x99_0001, SP), None, "{}", T::GOARCH);
    // What is in its registers counts, and its own stack is dumped as such.
    let at_word = SP + 0x200;
    running.image.word(at_word, HEAP + 64);
    running.image.put(running.g0, "runtime.g", "stack", 0, STACK + 0x1f00);
    running.image.put(running.g0, "runtime.g", "stack", 1, STACK + 0x2000);
    let general = [HEAP_END - 8, 5, 0, HEAP + 16, HEAP_END, HEAP + 16];
    let thread = Thread { pc: running.pc, ..thread(SP, &general) };
    let (stands, roots, n) = running.found(std::slice::from_ref(&thread));
    let expected = [root("register", HEAP + 16), root("register", HEAP_END - 8)];
    assert_eq!((stands, &roots[..], n), (at, &expected[..], 2), "{}", T::GOARCH);
    // In a system call it stands where it entered it.
    let g = running.image.g();
    running.image.put(g, "runtime.g", "syscallsp", 0, SP);
    let (stands, roots, _) = running.found(&[thread]);
    assert_eq!((stands, &roots[..]), (None, &expected[..]), "{}", T::GOARCH);
}

/// `gogo` has the goroutine's stack, and where it goes on is what was saved.
fn goroutines_that_are_switched_to<T: Target>() {
    for (name, pc) in [("runtime.gogo", None), ("gogo", None), ("runtime.gogo2", Some(3))] {
        let mut running = Running::<T>::new();
        let (gogo, _) = running.image.function(name, 4 * T::PTR_SIZE, 0);
        let sched = running.image.g() + running.image.offset("runtime.g", "sched");
        running.image.put(sched, "runtime.gobuf", "pc", 0, running.pc);
        let pc = pc.map_or(running.pc, |distance| gogo + distance);
        assert_eq!(running.stands(gogo + 3, SP), Some((pc, SP, SP, true)), "{} {name}", T::GOARCH);
    }
}

/// Where the innermost frame is not as large as it should be, its caller is where a call returns to; what is below counts.
fn callers_that_are_looked_for<T: Target>() {
    let mut running = Running::<T>::new();
    running.lose_stack();
    let p = T::PTR_SIZE;
    let sp = SP - 3 * p;
    running.image.word(SP - p, running.pc);
    assert_eq!(running.stands(0x99_0001, sp), Some((running.pc, SP, sp, true)), "{}", T::GOARCH);
    // It is dumped as a frame of no function, if there is any.
    assert_eq!(running.first_frame(0x99_0001, sp), (sp, SP), "{}", T::GOARCH);
    let (first, end) = running.first_frame(running.pc, SP);
    assert!(first == SP && end > SP, "{}", T::GOARCH);
    // A stack whose last frame is none that ends a stack does not count as unwound.
    let caller = running.image.caller;
    running.image.put(caller, "runtime._func", "flag", 0, 0);
    assert_eq!(running.stands(0x99_0001, sp), Some((0x99_0001, sp, sp, true)), "{}", T::GOARCH);
}

fn threads_and_their_roots<T: Target>() {
    let running = Running::<T>::new();
    let threads = [Thread { pc: running.pc, ..thread(SP, &[HEAP + 16]) }];
    let stopped = Stopped::new(&threads);
    let go = running.image.go(Some(&stopped)).unwrap();
    let mut found = Vec::new();
    go.threads(|m| {
        found.push((m.mp.0, m.procid));
        Ok(())
    })
    .unwrap();
    assert_eq!(found, [(running.m, TID)], "{}", T::GOARCH);
    assert!(!go.standings.world_is_stopped && !stopped.doubts().collecting, "{}", T::GOARCH);
    let dump = running.image.dump_stopped(&stopped).unwrap();
    let root = [counted(b"register of thread 7"), ints(&[HEAP + 16])].concat();
    assert!(has(&dump, &[ints(&[2]), root].concat()), "{}", T::GOARCH);
    let mut running = running;
    let gcphase = running.image.variable("runtime.gcphase");
    running.image.word32(gcphase, 1);
    running.image.dump_stopped(&stopped).unwrap();
    assert!(stopped.doubts().collecting, "{}", T::GOARCH);
    // One that has stopped its own world stands where stacks were switched.
    let dumpfd = running.image.variable("runtime.dumpfd");
    running.image.word(dumpfd, 3);
    let go = running.image.go(Some(&stopped)).unwrap();
    assert!(go.standings.world_is_stopped && go.standings.roots.is_empty(), "{}", T::GOARCH);
}

/// The vDSO runs on the thread's own stack.
fn goroutines_in_the_vdso<T: Target>() {
    let mut running = Running::<T>::new();
    let (m, sp) = (running.m, HEAP_END - 0x80);
    running.image.put(m, "runtime.m", "vdsoSP", 0, SP);
    running.image.put(m, "runtime.m", "vdsoPC", 0, running.pc);
    // As long as it can be unwound from where stacks were switched, that counts.
    assert_eq!(running.stands(TEXT, sp), None, "{}", T::GOARCH);
    running.lose_stack();
    assert_eq!(running.stands(TEXT, sp), Some((running.pc, SP, SP, false)), "{}", T::GOARCH);
    // It says so only while it is called, and by the goroutine.
    for vdso_sp in [0, STACK - 8, STACK + 0x2000] {
        running.image.put(m, "runtime.m", "vdsoSP", 0, vdso_sp);
        let stands = running.stands(TEXT, sp).unwrap();
        assert!(stands.3 && stands.2 == STACK, "{} {stands:x?}", T::GOARCH);
    }
    // A thread that is on the goroutine's stack is not in it.
    running.image.put(m, "runtime.m", "vdsoSP", 0, SP);
    let stands = running.stands(0x99_0001, STACK + 0x1900).unwrap();
    assert!(stands.3 && stands.2 == STACK + 0x1900, "{} {stands:x?}", T::GOARCH);
}

/// While the runtime works on the thread's own stack, what is there counts, up to 64 KB.
fn stacks_of_threads<T: Target>() {
    let p = T::PTR_SIZE;
    for (sp, hi, is_read) in [
        (HEAP, HEAP_END, true),
        (HEAP, HEAP_END + p, false),
        (HEAP, HEAP_END + 8 * p, false),
        (HEAP + p, HEAP_END + p, true),
        (HEAP + 1, HEAP_END, false),
        (HEAP + 2, HEAP_END, false),
        (HEAP_END - p, HEAP_END, false),
        (HEAP_END, HEAP_END, false),
        (HEAP_END + p, HEAP_END, false),
    ] {
        let mut running = Running::<T>::new();
        running.image.put(running.g0, "runtime.g", "stack", 0, HEAP_END - p);
        running.image.put(running.g0, "runtime.g", "stack", 1, hi);
        running.image.word(HEAP + 0x8000, HEAP + 64);
        running.image.word(HEAP + 0x9000, HEAP + 64);
        let other = Thread { tid: 6, ..thread(0x10, &[HEAP + 128]) };
        let (stands, roots, _) = running.found(&[other, thread(sp, &[HEAP + 32])]);
        let mut expected = vec![root("register", HEAP + 32)];
        if is_read {
            expected.push(root("runtime's stack", HEAP + 64));
        }
        assert_eq!((stands, roots), (None, expected), "{} {sp:#x} {hi:#x}", T::GOARCH);
    }
}

#[test]
fn goroutines_that_threads_run() {
    fn on<T: Target>() {
        goroutines_on_their_stacks::<T>();
        goroutines_that_are_switched_to::<T>();
        callers_that_are_looked_for::<T>();
        threads_and_their_roots::<T>();
        goroutines_in_the_vdso::<T>();
        stacks_of_threads::<T>();
    }
    on::<Amd64>();
    on::<Mips>();
    on::<S390x>();
}

/// What a signal has interrupted is on the stack of its handler.
#[test]
fn goroutines_that_a_signal_has_interrupted() {
    let mut running = Running::<Amd64>::new();
    let (gsignal, lo, hi) = (running.image.alloc(0x400), HEAP, HEAP + 0x2000);
    for (i, value) in (0..).zip([lo, hi]) {
        running.image.put(gsignal, "runtime.g", "stack", i, value);
    }
    running.image.put(running.m, "runtime.m", "gsignal", 0, gsignal);
    let context = lo + 0x1000;
    for (at, value) in [(16, lo), (24, hi - lo), (160, SP), (168, running.pc)] {
        running.image.word(context + at, value);
    }
    assert_eq!(running.stands(TEXT, lo + 0x800), Some((running.pc, SP, SP, true)));
    // One that has ended says nothing.
    assert_eq!(running.stands(TEXT, context + 64), None);
}
