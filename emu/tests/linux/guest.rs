//! Small Linux programs for every machine: the project's code generators, and a function that makes system calls. What a
//! program says in this language means the same everywhere; where a machine's Linux has other numbers, flags or
//! structures, they are here.

use heapmatrix_emu::guest::asm::assemble;
use heapmatrix_emu::guest::ir::{Assembled, Label, Op, Reg, Width};
use heapmatrix_emu::linux::system_call;
use heapmatrix_emu::linux::{Options, Outcome, Output, Process, Recorder, RunError};
use heapmatrix_writer::{Addr, AnyTarget, Memory};

/// Where programs lie, and how long they may be.
pub const ORIGIN: u64 = 0x10_0000;
const SIZE: u64 = 0x1_0000;
/// Room for a program's data.
pub const DATA: u64 = ORIGIN + 0x8000;
/// The top of a second thread's stack, in the program's own memory.
pub const STACK: u64 = ORIGIN + 0xf000;

/// Where a program has what its machine wants in memory, and others in registers.
const ELSEWHERE: u64 = DATA + 0x5000;

/// What follows the program: the function that makes system calls.
const STUB: Label = Label(1000);

/// An argument of a system call.
#[derive(Clone, Copy)]
pub enum Arg {
    /// A number.
    Is(u64),
    /// The address of a label.
    At(Label),
    /// The word at an address.
    Word(u64),
}

/// A program in the making.
pub struct Guest {
    target: AnyTarget,
    ops: Vec<Op>,
    next_label: u32,
}

impl Guest {
    /// An empty program. It has some room on its stack.
    pub fn new(target: AnyTarget) -> Self {
        Guest { target, ops: vec![Op::AddImm(Reg::Sp, -256)], next_label: 0 }
    }

    /// Bytes in a word.
    pub fn word(&self) -> u64 {
        self.target.ptr_size()
    }

    /// A label that is not defined yet.
    pub fn label(&mut self) -> Label {
        self.next_label += 1;
        Label(self.next_label)
    }

    /// Adds operations.
    pub fn ops(&mut self, ops: &[Op]) -> &mut Self {
        self.ops.extend_from_slice(ops);
        self
    }

    /// Stores a number at an address.
    pub fn store(&mut self, addr: u64, value: u64, width: Width) -> &mut Self {
        self.ops(&[Op::Imm(Reg::V0, value), Op::Imm(Reg::V1, addr), Op::Store(Reg::V0, Reg::V1, 0, width)])
    }

    /// Stores words one after the other.
    pub fn words(&mut self, addr: u64, values: &[Arg]) -> &mut Self {
        for (at, value) in (addr..).step_by(self.word() as usize).zip(values) {
            self.arg(Reg::V0, *value);
            self.ops(&[Op::Imm(Reg::V1, at), Op::Store(Reg::V0, Reg::V1, 0, Width::Word)]);
        }
        self
    }

    fn arg(&mut self, reg: Reg, value: Arg) {
        match value {
            Arg::Is(value) => self.ops.push(Op::Imm(reg, value)),
            Arg::At(label) => self.ops.push(Op::LabelAddr(reg, label)),
            Arg::Word(addr) => {
                self.ops.extend([Op::Imm(reg, addr), Op::Load(reg, reg, 0, Width::Word)]);
            }
        }
    }

    /// A system call; its answer is in V0.
    pub fn call(&mut self, name: &str, args: &[Arg]) -> &mut Self {
        let args = self.translated(name, args);
        // Calls that others succeed are not there.
        let here = Arg::Is(-100_i64 as u64);
        match (name, &args[..]) {
            _ if !is_generic(self.target) => self.call_number(number(self.target, name), &args),
            ("open", &[path, flags, mode]) => self.call_number(56, &[here, path, flags, mode]),
            ("unlink", &[path]) => self.call_number(35, &[here, path, Arg::Is(0)]),
            ("rmdir", &[path]) => self.call_number(35, &[here, path, Arg::Is(0x200)]),
            ("mkdir", &[path, mode]) => self.call_number(34, &[here, path, mode]),
            ("dup2", &[from, to]) => self.call_number(24, &[from, to, Arg::Is(0)]),
            ("poll", &[set, count, Arg::Is(u64::MAX)]) => {
                self.call_number(73, &[set, count, Arg::Is(0), Arg::Is(0)])
            }
            ("poll", &[set, count, Arg::Is(milliseconds)]) => {
                let time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000].map(Arg::Is);
                self.words(ELSEWHERE, &time).call_number(73, &[set, count, Arg::Is(ELSEWHERE), Arg::Is(0)])
            }
            _ => self.call_number(number(self.target, name), &args),
        }
    }

    /// A call's arguments as the machine has them.
    fn translated(&mut self, name: &str, args: &[Arg]) -> Vec<Arg> {
        const O_CREAT: u64 = 0o100;
        const MAP_ANONYMOUS: u64 = 0x20;
        let flags = |flags: Arg, bit: u64, here: u64| match flags {
            Arg::Is(value) if value & bit != 0 => Arg::Is(value & !bit | here),
            other => other,
        };
        let mut args = args.to_vec();
        match (name, self.target) {
            ("open", _) if is_mips(self.target) => args[1] = flags(args[1], O_CREAT, 0x100),
            ("mmap", _) if is_mips(self.target) => args[3] = flags(args[3], MAP_ANONYMOUS, 0x800),
            ("getrlimit" | "setrlimit", _) if is_mips(self.target) => args[0] = mips_limit(args[0]),
            ("prlimit64", _) if is_mips(self.target) => args[1] = mips_limit(args[1]),
            // It has them all in memory.
            ("mmap", AnyTarget::S390x) => {
                self.words(ELSEWHERE, &args);
                args = vec![Arg::Is(ELSEWHERE)];
            }
            ("clone", AnyTarget::S390x) => args.swap(0, 1),
            _ => {}
        }
        args
    }

    /// Handles a signal, with `SA_SIGINFO` and these flags. Uses memory from [`ELSEWHERE`] on.
    pub fn handle(&mut self, signal: u64, handler: Arg, flags: u64) -> &mut Self {
        let flags = flags | if is_mips(self.target) { 8 } else { 4 };
        if !is_mips(self.target) {
            // Handler, flags, perhaps a restorer, and the mask.
            self.words(ELSEWHERE, &[handler, Arg::Is(flags), Arg::Is(0), Arg::Is(0), Arg::Is(0)]);
            return self.call("rt_sigaction", &[Arg::Is(signal), Arg::Is(ELSEWHERE), Arg::Is(0), Arg::Is(8)]);
        }
        let none = Arg::Is(0);
        self.words(ELSEWHERE, &[none, handler, none, none, none, none]);
        self.store(ELSEWHERE, flags, Width::B4);
        self.call("rt_sigaction", &[Arg::Is(signal), Arg::Is(ELSEWHERE), Arg::Is(0), Arg::Is(16)])
    }

    /// A system call by its number.
    pub fn call_number(&mut self, number: u64, args: &[Arg]) -> &mut Self {
        self.arguments(number, args).ops(&[Op::Call(STUB), Op::Load(Reg::V0, Reg::Sp, 0, Width::Word)])
    }

    /// Puts a system call's number and arguments where [`STUB`] looks for them.
    fn arguments(&mut self, number: u64, args: &[Arg]) -> &mut Self {
        let word = self.word() as i32;
        for (at, value) in [Arg::Is(number)].iter().chain(args).enumerate() {
            self.arg(Reg::V0, *value);
            self.ops.push(Op::Store(Reg::V0, Reg::Sp, at as i32 * word, Width::Word));
        }
        self
    }

    /// Adds to the word at an address.
    pub fn add(&mut self, addr: u64, value: i32) -> &mut Self {
        self.ops(&[
            Op::Imm(Reg::V1, addr),
            Op::Load(Reg::V0, Reg::V1, 0, Width::Word),
            Op::AddImm(Reg::V0, value),
            Op::Store(Reg::V0, Reg::V1, 0, Width::Word),
        ])
    }

    /// Does the same again, for ever.
    pub fn forever(&mut self, body: impl FnOnce(&mut Self)) -> &mut Self {
        let again = self.label();
        self.ops(&[Op::Label(again)]);
        body(self);
        self.ops(&[Op::Jump(again)])
    }

    /// Stores V0 at an address.
    pub fn keep(&mut self, addr: u64) -> &mut Self {
        self.ops(&[Op::Imm(Reg::V1, addr), Op::Store(Reg::V0, Reg::V1, 0, Width::Word)])
    }

    /// Waits, without any system call, until the word at an address is no longer zero.
    pub fn spin(&mut self, addr: u64) -> &mut Self {
        let again = self.label();
        self.ops(&[
            Op::Label(again),
            Op::Imm(Reg::V1, addr),
            Op::Load(Reg::V0, Reg::V1, 0, Width::Word),
            Op::JumpIfZero(Reg::V0, again),
        ])
    }

    /// Starts a thread on [`STACK`], which goes on at `child`.
    pub fn start_thread(&mut self, child: Label) -> &mut Self {
        const THREAD: u64 = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000;
        let after = self.label();
        // The stub returns to what the stack says on machines without a link register.
        let sp = STACK - 256;
        self.words(sp, &[Arg::At(after)]);
        let args = [Arg::Is(THREAD), Arg::Is(sp), Arg::Is(0), Arg::Is(0), Arg::Is(0)];
        let args = self.translated("clone", &args);
        self.arguments(number(self.target, "clone"), &args);
        self.ops(&[
            Op::Call(STUB),
            Op::Label(after),
            Op::Load(Reg::V0, Reg::Sp, 0, Width::Word),
            Op::JumpIfZero(Reg::V0, child),
        ])
    }

    /// Ends the process.
    pub fn exit(&mut self, status: u64) -> &mut Self {
        self.call("exit_group", &[Arg::Is(status)])
    }

    /// Ends the process, as the last that the program does, wherever it lies: it runs into [`STUB`], of which a call would have
    /// the address on some machines.
    pub fn exit_anywhere(&mut self, status: u64) -> &mut Self {
        self.arguments(number(self.target, "exit_group"), &[Arg::Is(status)]);
        if !self.target.uses_lr() {
            // In the place of the return PC.
            self.ops(&[Op::AddImm(Reg::Sp, -(self.target.ptr_size() as i32))]);
        }
        self
    }

    /// How many operations it has so far: the index of the next.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// The address of an operation, by its index.
    pub fn addr(&self, op: usize) -> u64 {
        self.assembled().addrs[op]
    }

    /// How many machine instructions an operation became, by its index.
    pub fn instructions(&self, op: usize) -> u64 {
        self.assembled().instructions[op].into()
    }

    fn assembled(&self) -> Assembled {
        let mut ops = self.ops.clone();
        ops.push(Op::Label(STUB));
        assemble(self.target, ORIGIN, &ops).expect("a program")
    }

    /// The program's code.
    pub fn code(&self) -> Vec<u8> {
        let mut code = self.assembled().code;
        code.extend(system_call(self.target).expect("a machine with a Linux"));
        assert!(ORIGIN + (code.len() as u64) < DATA, "the program runs into its data");
        code
    }

    /// The program as an ELF file.
    pub fn elf(&self) -> Vec<u8> {
        elf(self.target, &self.code())
    }

    /// Runs the program.
    pub fn run(&self, options: Options) -> Finished {
        let recorder = Recorder::default();
        let mut process = Process::load(&self.elf(), options, Box::new(recorder.clone())).expect("a program");
        let outcome = process.run(None);
        Finished { process, outcome, output: recorder.output() }
    }
}

/// A program that has run.
pub struct Finished {
    /// The process.
    pub process: Process,
    /// How it ended.
    pub outcome: Result<Outcome, RunError>,
    /// What it wrote.
    pub output: Output,
}

impl Finished {
    /// The status with which it ended.
    pub fn status(&self) -> u8 {
        match &self.outcome {
            Ok(Outcome::Ended(status)) => status.code(),
            other => panic!("{}: {other:?}", self.process.target()),
        }
    }

    /// The word at an address of its memory, sign-extended.
    pub fn word(&self, addr: u64) -> i64 {
        let size = self.process.target().ptr_size() as usize;
        let mut bytes = [0; 8];
        self.process.memory().read(Addr(addr), &mut bytes[..size]).expect("mapped");
        match (size, self.process.target().big_endian()) {
            (4, true) => i64::from(i32::from_be_bytes(bytes[..4].try_into().unwrap())),
            (4, false) => i64::from(i32::from_le_bytes(bytes[..4].try_into().unwrap())),
            (_, true) => i64::from_be_bytes(bytes),
            (_, false) => i64::from_le_bytes(bytes),
        }
    }
}

/// The number of a system call on amd64, 386, arm, ppc64 of both orders, arm64 and riscv64, mips of 32 and of 64 bits,
/// and s390x.
fn number(target: AnyTarget, name: &str) -> u64 {
    let numbers: [u64; 8] = match name {
        "read" => [0, 3, 3, 3, 63, 4003, 5000, 3],
        "open" => [2, 5, 5, 5, 56, 4005, 5002, 5],
        "close" => [3, 6, 6, 6, 57, 4006, 5003, 6],
        "unlink" => [87, 10, 10, 10, 35, 4010, 5085, 10],
        "mkdir" => [83, 39, 39, 39, 34, 4039, 5081, 39],
        "rmdir" => [84, 40, 40, 40, 35, 4040, 5082, 40],
        "fcntl" => [72, 55, 55, 55, 25, 4055, 5070, 55],
        "fsync" => [74, 118, 118, 118, 82, 4118, 5072, 118],
        "ftruncate" => [77, 93, 93, 93, 46, 4093, 5075, 93],
        "getdents64" => [217, 220, 217, 202, 61, 4219, 5308, 220],
        "poll" => [7, 168, 168, 167, 73, 4188, 5007, 168],
        "timer_create" => [222, 259, 257, 240, 107, 4257, 5216, 254],
        "timer_settime" => [223, 260, 258, 241, 110, 4258, 5217, 255],
        "setitimer" => [38, 104, 104, 104, 103, 4104, 5036, 104],
        "dup" => [32, 41, 41, 41, 23, 4041, 5031, 41],
        "dup2" => [33, 63, 63, 63, 24, 4063, 5032, 63],
        "getrlimit" => [97, 191, 191, 190, 163, 4076, 5095, 191],
        "setrlimit" => [160, 75, 75, 75, 164, 4075, 5155, 75],
        "prlimit64" => [302, 340, 369, 325, 261, 4338, 5297, 334],
        "prctl" => [157, 172, 172, 171, 167, 4192, 5153, 172],
        "write" => [1, 4, 4, 4, 64, 4004, 5001, 4],
        "mmap" => [9, 192, 192, 90, 222, 4090, 5009, 90],
        "mprotect" => [10, 125, 125, 125, 226, 4125, 5010, 125],
        "munmap" => [11, 91, 91, 91, 215, 4091, 5011, 91],
        "rt_sigaction" => [13, 174, 174, 173, 134, 4194, 5013, 174],
        "nanosleep" => [35, 162, 162, 162, 101, 4166, 5034, 162],
        "clone" => [56, 120, 120, 120, 220, 4120, 5055, 120],
        "exit" => [60, 1, 1, 1, 93, 4001, 5058, 1],
        "ptrace" => [101, 26, 26, 26, 117, 4026, 5099, 26],
        "gettid" => [186, 224, 224, 207, 178, 4222, 5178, 236],
        "tkill" => [200, 238, 238, 208, 130, 4236, 5192, 237],
        "futex" => [202, 240, 240, 221, 98, 4238, 5194, 238],
        "clock_gettime" => [228, 265, 263, 246, 113, 4263, 5222, 260],
        "exit_group" => [231, 252, 248, 234, 94, 4246, 5205, 248],
        "pipe2" => [293, 331, 359, 317, 59, 4328, 5287, 325],
        "getrandom" => [318, 355, 384, 359, 278, 4353, 5313, 349],
        _ => panic!("no number for {name}"),
    };
    match target {
        AnyTarget::Amd64 => numbers[0],
        AnyTarget::I386 => numbers[1],
        AnyTarget::Arm => numbers[2],
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => numbers[3],
        AnyTarget::Arm64 | AnyTarget::Riscv64 => numbers[4],
        AnyTarget::Mips | AnyTarget::Mipsle => numbers[5],
        AnyTarget::Mips64 | AnyTarget::Mips64le => numbers[6],
        AnyTarget::S390x => numbers[7],
        other => panic!("no Linux for {other}"),
    }
}

/// Whether a machine has the kernel's generic system calls.
fn is_generic(target: AnyTarget) -> bool {
    matches!(target, AnyTarget::Arm64 | AnyTarget::Riscv64)
}

fn is_mips(target: AnyTarget) -> bool {
    use AnyTarget::{Mips, Mips64, Mips64le, Mipsle};
    matches!(target, Mips | Mipsle | Mips64 | Mips64le)
}

/// Limits have other numbers there: of those that programs here set, only `RLIMIT_NOFILE`.
fn mips_limit(resource: Arg) -> Arg {
    match resource {
        Arg::Is(7) => Arg::Is(5),
        other => other,
    }
}

/// No such system call, as an answer.
pub fn no_such_call(target: AnyTarget) -> i64 {
    if is_mips(target) { -89 } else { -38 }
}

/// The time is up, as an answer.
pub fn timed_out(target: AnyTarget) -> i64 {
    if is_mips(target) { -145 } else { -110 }
}

/// `F_GETLK`.
pub fn get_lock(target: AnyTarget) -> u64 {
    if is_mips(target) { 14 } else { 5 }
}

/// Where the first of all stacks ends, eight MiB after its beginning.
pub fn stack_top(target: AnyTarget) -> u64 {
    match target {
        _ if is_mips(target) => 0x7fff_7000,
        _ if target.ptr_size() == 4 => 0xbfff_f000,
        _ => 0x7fff_ffff_f000,
    }
}

/// An ELF file with one segment, in which everything is allowed.
pub fn elf(target: AnyTarget, code: &[u8]) -> Vec<u8> {
    Shape { addr: ORIGIN, movable: false, interpreter: None }.elf(target, code)
}

/// What kind of ELF file a program is.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Where its only segment lies, and begins.
    pub addr: u64,
    /// Whether it may lie elsewhere.
    pub movable: bool,
    /// Its dynamic linker.
    pub interpreter: Option<&'static str>,
}

impl Shape {
    /// A file of this kind with such code.
    pub fn elf(self, target: AnyTarget, code: &[u8]) -> Vec<u8> {
        const EXEC: u64 = 2;
        const DYN: u64 = 3;
        const LOAD: u64 = 1;
        const INTERP: u64 = 3;
        const ALL: u64 = 7;
        let (wide, big) = (target.ptr_size() == 8, target.big_endian());
        let machine = target.elf_machine().into();
        // Function pointers are addresses of code: ppc64's second ABI.
        let flags = if matches!(target, AnyTarget::Ppc64 | AnyTarget::Ppc64le) { 2 } else { 0 };
        let (header, entry) = if wide { (64, 56) } else { (52, 32) };
        let name: Vec<u8> = self.interpreter.iter().flat_map(|path| path.bytes().chain([0])).collect();
        let headers = 1 + u64::from(self.interpreter.is_some());
        let (name_at, name_len) = (header + headers * entry, name.len() as u64);
        let code_at = name_at + name_len;

        let mut file = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, if big { 2 } else { 1 }, 1];
        file.resize(16, 0);
        let mut put = |value: u64, size: usize| {
            if big {
                file.extend_from_slice(&value.to_be_bytes()[8 - size..]);
            } else {
                file.extend_from_slice(&value.to_le_bytes()[..size]);
            }
        };
        let word = if wide { 8 } else { 4 };
        let kind = if self.movable { DYN } else { EXEC };
        for (value, size) in [(kind, 2), (machine, 2), (1, 4)] {
            put(value, size);
        }
        for (value, size) in [(self.addr, word), (header, word), (0, word), (flags, 4)] {
            put(value, size);
        }
        for value in [header, entry, headers, 0, 0, 0] {
            put(value, 2);
        }
        let mut segment = |kind: u64, at: u64, addr: u64, len: u64, size: u64| {
            if wide {
                for (value, size) in
                    [(kind, 4), (ALL, 4), (at, 8), (addr, 8), (addr, 8), (len, 8), (size, 8), (1, 8)]
                {
                    put(value, size);
                }
            } else {
                for value in [kind, at, addr, addr, len, size, ALL, 1] {
                    put(value, 4);
                }
            }
        };
        if self.interpreter.is_some() {
            segment(INTERP, name_at, self.addr, name_len, name_len);
        }
        segment(LOAD, code_at, self.addr, code.len() as u64, SIZE);
        file.extend(name);
        file.extend_from_slice(code);
        file
    }
}
