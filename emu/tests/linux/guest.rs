//! Small Linux programs for the machines that there is a code generator for: the project's code generator, and a stub for system
//! calls that it can call.

use heapmatrix_emu::guest::asm::assemble;
use heapmatrix_emu::guest::ir::{Assembled, Label, Op, Reg, Width};
use heapmatrix_emu::linux::{Options, Outcome, Output, Process, Recorder, RunError};
use heapmatrix_writer::{Addr, AnyTarget, Memory};

/// The machines.
pub const TARGETS: [AnyTarget; 6] = [
    AnyTarget::Amd64,
    AnyTarget::I386,
    AnyTarget::Arm,
    AnyTarget::Ppc64,
    AnyTarget::Ppc64le,
    AnyTarget::Arm64,
];

/// Where programs lie, and how long they may be.
pub const ORIGIN: u64 = 0x10_0000;
const SIZE: u64 = 0x1_0000;
/// Room for a program's data.
pub const DATA: u64 = ORIGIN + 0x8000;
/// The top of a second thread's stack, in the program's own memory.
pub const STACK: u64 = ORIGIN + 0xf000;

/// Where a program for arm64 has the time for which it polls.
const TIME: u64 = DATA + 0x5000;

/// After the program: loads the number and the arguments of a system call from the stack, and puts its
/// answer there. Errors are negative on all machines.
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
        if self.target != AnyTarget::Arm64 {
            return self.call_number(number(self.target, name), args);
        }
        // Calls that others succeed are not there.
        let here = Arg::Is(-100_i64 as u64);
        match (name, args) {
            ("open", &[path, flags, mode]) => self.call_number(56, &[here, path, flags, mode]),
            ("unlink", &[path]) => self.call_number(35, &[here, path, Arg::Is(0)]),
            ("rmdir", &[path]) => self.call_number(35, &[here, path, Arg::Is(0x200)]),
            ("mkdir", &[path, mode]) => self.call_number(34, &[here, path, mode]),
            ("dup2", &[from, to]) => self.call_number(24, &[from, to, Arg::Is(0)]),
            ("poll", &[set, count, Arg::Is(u64::MAX)]) => {
                self.call_number(73, &[set, count, Arg::Is(0), Arg::Is(0)])
            }
            ("poll", &[set, count, Arg::Is(milliseconds)]) => {
                self.words(TIME, &[Arg::Is(milliseconds / 1000), Arg::Is(milliseconds % 1000 * 1_000_000)]);
                self.call_number(73, &[set, count, Arg::Is(TIME), Arg::Is(0)])
            }
            _ => self.call_number(number(self.target, name), args),
        }
    }

    /// A system call by its number.
    pub fn call_number(&mut self, number: u64, args: &[Arg]) -> &mut Self {
        let word = self.word() as i32;
        for (at, value) in [Arg::Is(number)].iter().chain(args).enumerate() {
            self.arg(Reg::V0, *value);
            self.ops.push(Op::Store(Reg::V0, Reg::Sp, at as i32 * word, Width::Word));
        }
        self.ops(&[Op::Call(STUB), Op::Load(Reg::V0, Reg::Sp, 0, Width::Word)])
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
        let word = self.word() as i32;
        let args = [Arg::Is(THREAD), Arg::Is(sp), Arg::Is(0), Arg::Is(0), Arg::Is(0)];
        for (at, value) in [Arg::Is(number(self.target, "clone"))].iter().chain(&args).enumerate() {
            self.arg(Reg::V0, *value);
            self.ops.push(Op::Store(Reg::V0, Reg::Sp, at as i32 * word, Width::Word));
        }
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
        code.extend(stub(self.target));
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
            (4, _) => i64::from(i32::from_le_bytes(bytes[..4].try_into().unwrap())),
            (_, true) => i64::from_be_bytes(bytes),
            (_, false) => i64::from_le_bytes(bytes),
        }
    }
}

/// The number of a system call on amd64, 386, arm, ppc64 of both orders, and arm64.
fn number(target: AnyTarget, name: &str) -> u64 {
    let numbers: [u64; 5] = match name {
        "read" => [0, 3, 3, 3, 63],
        "open" => [2, 5, 5, 5, 56],
        "close" => [3, 6, 6, 6, 57],
        "unlink" => [87, 10, 10, 10, 35],
        "mkdir" => [83, 39, 39, 39, 34],
        "rmdir" => [84, 40, 40, 40, 35],
        "ftruncate" => [77, 93, 93, 93, 46],
        "getdents64" => [217, 220, 217, 202, 61],
        "poll" => [7, 168, 168, 167, 73],
        "timer_create" => [222, 259, 257, 240, 107],
        "timer_settime" => [223, 260, 258, 241, 110],
        "setitimer" => [38, 104, 104, 104, 103],
        "dup" => [32, 41, 41, 41, 23],
        "dup2" => [33, 63, 63, 63, 24],
        "getrlimit" => [97, 191, 191, 190, 163],
        "setrlimit" => [160, 75, 75, 75, 164],
        "prlimit64" => [302, 340, 369, 325, 261],
        "prctl" => [157, 172, 172, 171, 167],
        "write" => [1, 4, 4, 4, 64],
        "mmap" => [9, 192, 192, 90, 222],
        "mprotect" => [10, 125, 125, 125, 226],
        "munmap" => [11, 91, 91, 91, 215],
        "rt_sigaction" => [13, 174, 174, 173, 134],
        "nanosleep" => [35, 162, 162, 162, 101],
        "clone" => [56, 120, 120, 120, 220],
        "exit" => [60, 1, 1, 1, 93],
        "ptrace" => [101, 26, 26, 26, 117],
        "gettid" => [186, 224, 224, 207, 178],
        "tkill" => [200, 238, 238, 208, 130],
        "futex" => [202, 240, 240, 221, 98],
        "clock_gettime" => [228, 265, 263, 246, 113],
        "exit_group" => [231, 252, 248, 234, 94],
        "pipe2" => [293, 331, 359, 317, 59],
        "getrandom" => [318, 355, 384, 359, 278],
        _ => panic!("no number for {name}"),
    };
    match target {
        AnyTarget::Amd64 => numbers[0],
        AnyTarget::I386 => numbers[1],
        AnyTarget::Arm => numbers[2],
        AnyTarget::Ppc64 | AnyTarget::Ppc64le => numbers[3],
        _ => numbers[4],
    }
}

fn stub(target: AnyTarget) -> Vec<u8> {
    match target {
        AnyTarget::Amd64 => vec![
            0x48, 0x8b, 0x44, 0x24, 0x08, // mov rax, [rsp+8]
            0x48, 0x8b, 0x7c, 0x24, 0x10, // mov rdi, [rsp+16]
            0x48, 0x8b, 0x74, 0x24, 0x18, // mov rsi, [rsp+24]
            0x48, 0x8b, 0x54, 0x24, 0x20, // mov rdx, [rsp+32]
            0x4c, 0x8b, 0x54, 0x24, 0x28, // mov r10, [rsp+40]
            0x4c, 0x8b, 0x44, 0x24, 0x30, // mov r8, [rsp+48]
            0x4c, 0x8b, 0x4c, 0x24, 0x38, // mov r9, [rsp+56]
            0x0f, 0x05, // syscall
            0x48, 0x89, 0x44, 0x24, 0x08, // mov [rsp+8], rax
            0xc3, // ret
        ],
        AnyTarget::I386 => vec![
            0x8b, 0x44, 0x24, 0x04, // mov eax, [esp+4]
            0x8b, 0x5c, 0x24, 0x08, // mov ebx, [esp+8]
            0x8b, 0x4c, 0x24, 0x0c, // mov ecx, [esp+12]
            0x8b, 0x54, 0x24, 0x10, // mov edx, [esp+16]
            0x8b, 0x74, 0x24, 0x14, // mov esi, [esp+20]
            0x8b, 0x7c, 0x24, 0x18, // mov edi, [esp+24]
            0x8b, 0x6c, 0x24, 0x1c, // mov ebp, [esp+28]
            0xcd, 0x80, // int 0x80
            0x89, 0x44, 0x24, 0x04, // mov [esp+4], eax
            0xc3, // ret
        ],
        AnyTarget::Arm => words(
            &[
                0xe59d_7000, // ldr r7, [sp]
                0xe59d_0004, // ldr r0, [sp, #4]
                0xe59d_1008, // ldr r1, [sp, #8]
                0xe59d_200c, // ldr r2, [sp, #12]
                0xe59d_3010, // ldr r3, [sp, #16]
                0xe59d_4014, // ldr r4, [sp, #20]
                0xe59d_5018, // ldr r5, [sp, #24]
                0xef00_0000, // svc 0
                0xe58d_0000, // str r0, [sp]
                0xe12f_ff1e, // bx lr
            ],
            u32::to_le_bytes,
        ),
        AnyTarget::Arm64 => words(
            &[
                0xf940_03e8, // ldr x8, [sp]
                0xf940_07e0, // ldr x0, [sp, #8]
                0xf940_0be1, // ldr x1, [sp, #16]
                0xf940_0fe2, // ldr x2, [sp, #24]
                0xf940_13e3, // ldr x3, [sp, #32]
                0xf940_17e4, // ldr x4, [sp, #40]
                0xf940_1be5, // ldr x5, [sp, #48]
                0xd400_0001, // svc 0
                0xf900_03e0, // str x0, [sp]
                0xd65f_03c0, // ret
            ],
            u32::to_le_bytes,
        ),
        _ => words(
            &[
                0xe801_0000, // ld r0, 0(r1)
                0xe861_0008, // ld r3, 8(r1)
                0xe881_0010, // ld r4, 16(r1)
                0xe8a1_0018, // ld r5, 24(r1)
                0xe8c1_0020, // ld r6, 32(r1)
                0xe8e1_0028, // ld r7, 40(r1)
                0xe901_0030, // ld r8, 48(r1)
                0x4400_0002, // sc
                0x4083_0008, // bns +8
                0x7c63_00d0, // neg r3, r3
                0xf861_0000, // std r3, 0(r1)
                0x4e80_0020, // blr
            ],
            if target.big_endian() { u32::to_be_bytes } else { u32::to_le_bytes },
        ),
    }
}

fn words(words: &[u32], bytes: fn(u32) -> [u8; 4]) -> Vec<u8> {
    words.iter().flat_map(|&word| bytes(word)).collect()
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
