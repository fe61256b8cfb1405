//! What a dump's objects point to, and what the busy program says of them.

use std::collections::{HashMap, HashSet};
use std::fs;

use heapmatrix_process::{CoreFile, Executable};
use heapmatrix_reader::{Dump, Record};
use heapmatrix_writer::{Addr, AnyTarget, Memory};

use crate::go;

/// How many goroutines of the busy program make objects.
pub const WORKERS: usize = 6;
/// How many objects each lists at once.
const SLOTS: usize = 32;
/// What the objects begin with that the program lists.
const MAGIC: u64 = 0x6d61_6769;

/// Some words of a memory.
pub fn words(target: AnyTarget, memory: &dyn Memory, at: u64, count: usize) -> Vec<u64> {
    let word = target.ptr_size() as usize;
    let mut bytes = vec![0; count * word];
    memory.read(Addr(at), &mut bytes).unwrap();
    bytes.chunks_exact(word).map(|bytes| number(bytes, target.big_endian())).collect()
}

fn number(bytes: &[u8], big: bool) -> u64 {
    let digit = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    if big { bytes.iter().fold(0, digit) } else { bytes.iter().rev().fold(0, digit) }
}

/// The addresses of live objects by the busy program's own list, `main.live`, which is at this address.
pub fn busy_list(target: AnyTarget, memory: &dyn Memory, at: u64) -> Vec<u64> {
    words(target, memory, at, WORKERS * SLOTS).into_iter().filter(|&value| value != 0).collect()
}

/// Makes sure that what the busy program lists as alive, in its core file, is in the dump.
pub fn is_all_there(core: &str, program: &go::Program, dump: &[u8], what: &str) {
    let (core, elf) = (fs::read(core).unwrap(), fs::read(program.path()).unwrap());
    let executable = Executable::parse(&elf).unwrap();
    let (_, list) = executable.symbols(|name| name == "main.live").remove(0);
    let process = CoreFile::parse(&core).unwrap().process(&[executable]).unwrap();
    let live = busy_list(process.target, &process.memory, list.wrapping_add(process.bias));
    assert!(live.len() > 10, "{what}: {live:?}");
    Heap::read(dump, Frames::All).has_all(&live, what);
}

/// The objects of a dump and what points to what.
pub struct Heap {
    /// Addresses and lengths, by address.
    pub objects: Vec<(u64, u64)>,
    /// The pointers in each.
    pointers: Vec<Vec<u64>>,
    /// Whom the busy program knows it by, if it does: who has made it, and its number.
    names: Vec<Option<Name>>,
    roots: Vec<u64>,
}

/// Who has made an object of the busy program, and its number, from 1.
pub type Name = (usize, u64);

/// Which frames count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// All.
    All,
    /// Those whose pointers a map tells: not where a signal has preempted a goroutine, of whose frame every word is listed,
    /// and may be left over from anything.
    Mapped,
}

impl Heap {
    pub fn read(dump: &[u8], frames: Frames) -> Heap {
        let dump = Dump::new(dump).unwrap();
        let (word, big) = (dump.params().pointer_size.bytes() as usize, dump.params().big_endian);
        let value = |contents: &[u8], at: u64| {
            number(contents.get(at as usize..at as usize + word).unwrap_or(&[]), big)
        };
        let name = |contents: &[u8]| {
            let [magic, worker, number] = [0, 1, 2].map(|i| value(contents, i * word as u64));
            (magic == MAGIC && worker < WORKERS as u64).then_some((worker as usize, number))
        };
        let (mut all, mut roots, mut preempted) = (Vec::new(), Vec::new(), false);
        for record in dump.records() {
            match record.unwrap().1 {
                Record::Object(r) => {
                    let pointers = r.fields.map(|field| value(r.contents, field.offset)).collect();
                    all.push(((r.address, r.contents.len() as u64), (pointers, name(r.contents))));
                }
                Record::Data(r) | Record::Bss(r) => {
                    roots.extend(r.fields.map(|f| value(r.contents, f.offset)))
                }
                Record::StackFrame(r) => {
                    let by_signal = r.function.name.0 == b"runtime.asyncPreempt";
                    if frames == Frames::All || !by_signal && !preempted {
                        roots.extend(r.fields.map(|f| value(r.contents, f.offset)));
                    }
                    preempted = by_signal;
                }
                Record::OtherRoot(r) => roots.push(r.target),
                Record::Goroutine(r) => roots.extend([r.context, r.defer, r.panic]),
                Record::Defer(r) => roots.extend([r.closure, r.address]),
                Record::Finalizer(r) => {
                    // What an object with a finalizer points to is kept for it, and so is the closure.
                    roots.extend([r.object, r.closure]);
                }
                Record::QueuedFinalizer(r) => roots.extend([r.object, r.closure]),
                _ => {}
            }
        }
        all.sort_unstable();
        let (objects, others): (_, Vec<_>) = all.into_iter().unzip();
        let (pointers, names) = others.into_iter().unzip();
        Heap { objects, pointers, names, roots }
    }

    /// Makes sure that objects are there, and can be reached from the roots.
    pub fn has_all(&self, addresses: &[u64], what: &str) {
        let reachable = self.reachable();
        for address in addresses {
            let object =
                self.object_at(*address).unwrap_or_else(|| panic!("{what}: no object is at {address:#x}"));
            assert!(reachable.contains(&object), "{what}: the object at {address:#x} cannot be reached");
        }
    }

    /// The objects that can be reached, of those that the busy program knows, and their addresses.
    pub fn known(&self) -> HashMap<Name, u64> {
        let reachable = self.reachable().into_iter();
        reachable.filter_map(|object| Some((self.names[object]?, self.objects[object].0))).collect()
    }

    /// The object that an address is in.
    fn object_at(&self, address: u64) -> Option<usize> {
        let at = self.objects.partition_point(|&(start, _)| start <= address).checked_sub(1)?;
        let (start, len) = self.objects[at];
        (address - start < len).then_some(at)
    }

    fn reachable(&self) -> HashSet<usize> {
        let mut reached = HashSet::new();
        let mut left: Vec<usize> = self.roots.iter().filter_map(|&root| self.object_at(root)).collect();
        while let Some(object) = left.pop() {
            if reached.insert(object) {
                left.extend(self.pointers[object].iter().filter_map(|&pointer| self.object_at(pointer)));
            }
        }
        reached
    }
}
