//! Types and their names, which the table of itabs leads to.

use super::image::Image;
use super::{HEADERS, has};
use crate::go119::Defects;
use crate::memory::Addr;
use crate::runtime::Types;
use crate::target::{Amd64, Mips, S390x, Target};
use crate::testing::{counted, ints};

/// Where descriptions and names are in the module's section of types, which is 0x1000 bytes long.
const TYPE: u64 = 0x800;
const STRING: u64 = 0x100;
const PKG_PATH: u64 = 0x400;

const UNCOMMON: u64 = 1;
const EXTRA_STAR: u64 = 2;
const NAMED: u64 = 4;
const DIRECT: u64 = 32;

/// The structures by kind, after which what is uncommon of a type follows.
const DESCRIPTIONS: [(u64, &str); 9] = [
    (17, "internal/abi.ArrayType"),
    (18, "internal/abi.ChanType"),
    (19, "internal/abi.FuncType"),
    (20, "internal/abi.InterfaceType"),
    (21, "internal/abi.MapType"),
    (22, "internal/abi.PtrType"),
    (23, "internal/abi.SliceType"),
    (25, "internal/abi.StructType"),
    (2, "internal/abi.Type"),
];

/// A process with one itab, of a type as a test wants it.
struct Typed<T> {
    image: Image<T>,
    /// The section of types.
    section: u64,
    typ: u64,
    tab: u64,
}

impl<T: Target> Typed<T> {
    /// The type's description is so far into the section.
    fn new(at: u64, kind: u64, tflag: u64, string: &[u8]) -> Self {
        let mut image = Image::<T>::new(HEADERS, &[]);
        for (i, (_, name)) in (0..).zip(DESCRIPTIONS) {
            image.layouts.sizes.insert(name, 0x180 + 0x10 * i);
        }
        let section = image.tables + 0x2000;
        let (typ, table, tab) = (section + at, image.alloc(0x400), image.alloc(0x100));
        let variable = image.variable("runtime.itabTable");
        image.word(variable, table);
        image.put(table, "runtime.itabTableType", "size", 0, 3);
        // Between two entries that are free.
        image.put(table, "runtime.itabTableType", "entries", 1, tab);
        image.put(tab, "internal/abi.ITab", "Type", 0, typ);
        for (field, value) in [("Size_", 72), ("TFlag", tflag), ("Kind_", kind | 64)] {
            image.put(typ, "internal/abi.Type", field, 0, value);
        }
        let mut typed = Typed { image, section, typ, tab };
        typed.string_at(STRING);
        typed.name(STRING, string);
        typed
    }

    /// The type's string is so far into the section.
    fn string_at(&mut self, off: u64) {
        self.image.put(self.typ, "internal/abi.Type", "Str", 0, off);
    }

    fn name(&mut self, off: u64, name: &[u8]) {
        self.image.bytes(self.section + off, &[&[0][..], &counted(name)].concat());
    }

    /// What is uncommon of it comes after the structure of its kind, and begins with the path of its package.
    fn uncommon(&mut self, structure: &str, pkg_path: &[u8]) {
        let at = self.typ + self.image.layouts.sizes[structure];
        self.image.word32(at, PKG_PATH as u32);
        self.name(PKG_PATH, pkg_path);
    }

    /// Makes sure that the dump has the type by a name, and then the itab.
    fn is_dumped_as(&self, name: &[u8], pointer: bool) {
        let dump = self.image.dump(Defects::NONE).unwrap();
        let typ = [ints(&[3, self.typ, 72]), counted(name), ints(&[pointer.into(), 8, self.tab, self.typ])];
        assert!(has(&dump, &typ.concat()), "{} {}", T::GOARCH, String::from_utf8_lossy(name));
    }

    fn fails_with(&self, says: &str) {
        let message = self.image.dump(Defects::NONE).unwrap_err().to_string();
        assert!(message.contains(says), "{}: {message}", T::GOARCH);
    }
}

fn names_are_the_runtimes<T: Target>() {
    let long: Vec<u8> = (b'a'..=b'z').cycle().take(200).collect();
    let generic = [b"main.List[".as_slice(), &long, b".T,[2]x.Y]"].concat();
    for string in [b"main.T".as_slice(), b"a.b.T", &long, &generic, b""] {
        Typed::<T>::new(TYPE, 25, NAMED, string).is_dumped_as(string, true);
        // A star is not part of it, if there is one too many.
        let starred = [b"*", string].concat();
        Typed::<T>::new(TYPE, 25, NAMED | EXTRA_STAR, &starred).is_dumped_as(string, true);
    }
    Typed::<T>::new(TYPE, 25, EXTRA_STAR, b"").is_dumped_as(b"", true);
    // The last part of it, after the package's path.
    for (string, name) in [
        (b"main.T".as_slice(), b"T".as_slice()),
        (b"a.b.T", b"T"),
        (&long, &long),
        (&generic, &generic[5..]),
        (b"x.[]y.z", b"z"),
        (b".", b""),
    ] {
        for (kind, structure) in DESCRIPTIONS {
            let mut typed = Typed::<T>::new(TYPE, kind, UNCOMMON | NAMED, string);
            typed.uncommon(structure, b"example.com/main");
            typed.is_dumped_as(&[b"example.com/main.", name].concat(), true);
        }
    }
    // A type without a name has the path all the same.
    let mut typed = Typed::<T>::new(TYPE, 22, UNCOMMON, b"*main.T");
    typed.uncommon("internal/abi.PtrType", &long);
    typed.is_dumped_as(&[&long[..], b"."].concat(), true);
    // What comes after a type that has no methods is not its own.
    let mut typed = Typed::<T>::new(TYPE, 25, NAMED, b"main.T");
    typed.uncommon("internal/abi.StructType", b"example.com/main");
    typed.is_dumped_as(b"main.T", true);
    // Predeclared types have methods, and no package.
    Typed::<T>::new(TYPE, 25, UNCOMMON | NAMED, b"error").is_dumped_as(b"error", true);
}

fn what_is_kept_in_an_interface_directly<T: Target>() {
    for (tflag, ptr_bytes, pointer) in [(0, 0, true), (0, 8, true), (DIRECT, 8, true), (DIRECT, 0, false)] {
        let mut typed = Typed::<T>::new(TYPE, 22, tflag, b"*int");
        typed.image.put(typed.typ, "internal/abi.Type", "PtrBytes", 0, ptr_bytes);
        typed.is_dumped_as(b"*int", pointer);
        // Up to Go 1.25 the kind says so.
        typed.image.layouts.constants.remove("internal/abi.TFlagDirectIface");
        typed.image.layouts.constants.insert("runtime.kindDirectIface", 64);
        typed.is_dumped_as(b"*int", ptr_bytes != 0);
    }
}

fn hashes_and_flags<T: Target>() {
    // Other flags, and other bits of the kind, say nothing about interfaces.
    let mut typed = Typed::<T>::new(TYPE, 22, 0, b"*int");
    typed.image.put(typed.typ, "internal/abi.Type", "Hash", 0, 0x1234_5678);
    assert_eq!(typed.image.go(None).unwrap().type_hash(Addr(typed.typ)).unwrap(), 0x1234_5678);
    typed.image.layouts.constants.remove("internal/abi.TFlagDirectIface");
    for (flag, pointer) in [(32, true), (64, false), (128, true)] {
        typed.image.layouts.constants.insert("runtime.kindDirectIface", flag);
        typed.is_dumped_as(b"*int", pointer);
    }
}

fn names_are_in_the_section_of_types<T: Target>() {
    // A type at its beginning is in it, and one after its end is not: names of what the program makes are in a map.
    Typed::<T>::new(0, 25, NAMED, b"main.T").is_dumped_as(b"main.T", true);
    Typed::<T>::new(0x1000, 25, NAMED, b"main.T").is_dumped_as(b"", true);
    let mut typed = Typed::<T>::new(TYPE, 25, NAMED, b"main.T");
    typed.string_at(0);
    typed.is_dumped_as(b"", true);
    // Of a name, as many bytes may be in it as are left after where the name begins.
    typed.string_at(0x1000 - 7);
    typed.name(0x1000 - 7, b"1234567");
    typed.is_dumped_as(b"1234567", true);
    typed.name(0x1000 - 7, b"12345678");
    typed.fails_with("a name is longer than what is left of moduledata.types");
    typed.string_at(0x1000);
    typed.fails_with("a name is beyond the end of moduledata.types");
}

#[test]
fn types_of_itabs() {
    names_are_the_runtimes::<Amd64>();
    names_are_the_runtimes::<Mips>();
    names_are_the_runtimes::<S390x>();
    what_is_kept_in_an_interface_directly::<Amd64>();
    what_is_kept_in_an_interface_directly::<Mips>();
    hashes_and_flags::<Amd64>();
    hashes_and_flags::<S390x>();
    names_are_in_the_section_of_types::<Amd64>();
    names_are_in_the_section_of_types::<S390x>();
}
