//! The examples do what they say.

#[path = "../examples/core_file.rs"]
mod core_file;

use crate::go15::arch::Target;
use crate::target::AnyTarget;
use crate::testing::{Image, META, each_target};
use crate::{Defects, Summary};

/// An ELF file in the making.
struct Elf<T> {
    bytes: Vec<u8>,
    target: std::marker::PhantomData<T>,
}

const CORE: u64 = 4;
const EXECUTABLE: u64 = 2;

impl<T: Target> Elf<T> {
    /// An ELF file of these segments and symbols.
    fn file(kind: u64, segments: &[(u64, &[u8])], symbols: &[(&str, u64)]) -> Vec<u8> {
        let wide = T::PTR_SIZE == 8;
        let (header, segment, section, symbol) = if wide { (64, 56, 64, 24) } else { (52, 32, 40, 16) };
        let machine = match T::ANY {
            AnyTarget::I386 => 3,
            AnyTarget::Mips => 8,
            AnyTarget::Ppc64 | AnyTarget::Ppc64le => 21,
            AnyTarget::Arm => 40,
            AnyTarget::Amd64 | AnyTarget::Amd64p32 => 62,
            AnyTarget::Arm64 => 183,
            other => unreachable!("Go 1.5 never ran on {other}"),
        };
        let names: String = symbols.iter().map(|(name, _)| format!("\0{name}")).collect::<String>() + "\0";
        let data = header + segment * segments.len() as u64;
        let symtab = data + segments.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        let strtab = symtab + symbol * (1 + symbols.len() as u64);
        let sections = strtab + names.len() as u64;

        let (class, order) = (1 + u8::from(wide), 1 + u8::from(T::BIG_ENDIAN));
        let mut elf =
            Elf::<T> { bytes: vec![0x7f, b'E', b'L', b'F', class, order, 1, 0], target: Default::default() };
        elf.bytes.resize(16, 0);
        elf.half(&[kind, machine]).word(&[1]).address(&[0, header, sections]).word(&[0]);
        elf.half(&[header, segment, segments.len() as u64, section, 3, 2]);
        let mut offset = data;
        for &(start, bytes) in segments {
            let len = bytes.len() as u64;
            match wide {
                true => elf.word(&[1, 6]).address(&[offset, start, 0, len, len, 1]),
                false => elf.word(&[1]).address(&[offset, start, 0, len, len]).word(&[6, 1]),
            };
            offset += len;
        }
        segments.iter().for_each(|(_, bytes)| elf.bytes.extend_from_slice(bytes));
        let mut name = 1;
        elf.bytes.resize(elf.bytes.len() + symbol as usize, 0);
        for &(text, at) in symbols {
            match wide {
                true => elf.word(&[name]).half(&[1, 0xfff1]).address(&[at, 0]),
                false => {
                    elf.word(&[name]).address(&[at, 0]).half(&[if T::BIG_ENDIAN { 0x100 } else { 1 }, 0xfff1])
                }
            };
            name += text.len() as u64 + 1;
        }
        elf.bytes.extend(names.as_bytes());
        elf.bytes.resize(elf.bytes.len() + section as usize, 0);
        elf.word(&[0, 2]).address(&[0, 0, symtab, strtab - symtab]).word(&[2, 1]).address(&[8, symbol]);
        elf.word(&[0, 3]).address(&[0, 0, strtab, names.len() as u64]).word(&[0, 0]).address(&[1, 0]);
        elf.bytes
    }

    fn put(&mut self, size: u64, values: &[u64]) -> &mut Self {
        values.iter().for_each(|&value| self.bytes.extend(Image::<T>::bytes(size, value)));
        self
    }

    fn half(&mut self, values: &[u64]) -> &mut Self {
        self.put(2, values)
    }

    fn word(&mut self, values: &[u64]) -> &mut Self {
        self.put(4, values)
    }

    fn address(&mut self, values: &[u64]) -> &mut Self {
        self.put(T::PTR_SIZE, values)
    }
}

each_target!(a_core_file_is_dumped);
fn a_core_file_is_dumped<T: Target>() {
    let mut image = Image::<T>::new();
    image.span(0, 1, 64);
    image.finish();
    let expected = image.dump_as_is(Defects::NONE).0.unwrap();

    let symbols = image.symbols.named();
    let symbols: Vec<(&str, u64)> = symbols.filter(|(_, at)| !at.is_nil()).map(|(n, at)| (n, at.0)).collect();
    // One segment is in the program alone, and one has changed since the program was linked.
    let (linked, changed): (Vec<_>, Vec<_>) = image.memory.segments().partition(|&(start, _)| start == META);
    let stale = vec![0xff; changed[0].1.len()];
    let program = Elf::<T>::file(EXECUTABLE, &[linked[0], (changed[0].0, &stale)], &symbols);
    let core = Elf::<T>::file(CORE, &changed, &[]);
    let mut dump = Vec::new();
    // The example reads what Go 1.5 could leave behind.
    if T::ANY == AnyTarget::Mips {
        let error = core_file::dump_core(&core, &program, &mut dump).unwrap_err();
        assert_eq!(error.to_string(), "Go 1.5 has no machine Mips");
        return;
    }
    let summary: Summary = core_file::dump_core(&core, &program, &mut dump).unwrap();
    assert_eq!((summary.bytes, &dump), (expected.len() as u64, &expected));
}
