//! The C ABI: the project's writer behind a C function passes, and a program in C that includes the header is run.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::{fs, ptr};

use heapmatrix_c::*;
use heapmatrix_writer::go15::Program;
use heapmatrix_writer::{Addr, AnyTarget, Defects, Memory, Options, Symbols, Unreadable, write_heap_dump};

/// A process behind the C functions.
struct Process(*const Target<'static>);

impl Memory for Process {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
        // SAFETY: the writer has not returned, and the buffer is as long as it says.
        let status = unsafe { heapmatrix_read(self.0, addr.0, buf.as_mut_ptr().cast(), buf.len()) };
        if status == 0 { Ok(()) } else { Err(Unreadable { addr, len: buf.len() as u64 }) }
    }
}

/// The project's writer, which knows nothing but what C knows. What `context` points to is added to the first byte.
unsafe extern "C" fn writer(target: *const Target<'_>, output: *mut Output, context: *mut c_void) -> c_int {
    let target: *const Target<'static> = target.cast();
    // SAFETY: all that the header promises.
    unsafe {
        let arch = CStr::from_ptr(heapmatrix_arch(target)).to_str().unwrap();
        let machine: AnyTarget = arch.parse().unwrap();
        assert_eq!(u64::from(heapmatrix_pointer_size(target)), machine.ptr_size());
        assert_eq!(heapmatrix_big_endian(target) == 1, machine.big_endian());
        let symbols = Symbols::from_lookup(|name| {
            let name = CString::new(name).unwrap();
            Some(Addr(heapmatrix_symbol(target, name.as_ptr()))).filter(|address| address.0 != 0)
        });
        let mut roots = Vec::new();
        for number in 0..heapmatrix_other_roots(target) {
            let (mut text, mut length, mut address) = (ptr::null(), 0, 0);
            assert_eq!(heapmatrix_other_root(target, number, &mut text, &mut length, &mut address), 0);
            let text = std::slice::from_raw_parts(text.cast::<u8>(), length);
            roots.push((str::from_utf8(text).unwrap(), Addr(address)));
        }
        assert_eq!(heapmatrix_other_root(target, roots.len(), &mut ptr::null(), &mut 0, &mut 0), -1);
        let mut byte = 0_u8;
        assert_eq!(heapmatrix_read(target, u64::MAX - 1, (&raw mut byte).cast(), 1), -1, "nothing is there");
        let symbols = symbols.unwrap();
        let program = Program { symbols: &symbols, defects: Defects::NONE, sys_alloc: None };
        let options = Options { other_roots: &roots, ..Options::default() };
        let mut dump = Vec::new();
        write_heap_dump(machine, &Process(target), &program, &options, &mut dump).unwrap();
        if let Some(wrong) = context.cast::<u8>().as_ref() {
            let middle = dump.len() / 2;
            dump[middle] ^= wrong;
        }
        for part in dump.chunks(1000) {
            heapmatrix_write(output, part.as_ptr().cast(), part.len());
        }
        heapmatrix_write(output, ptr::null(), 0);
    }
    0
}

unsafe extern "C" fn gives_up(_: *const Target<'_>, _: *mut Output, _: *mut c_void) -> c_int {
    7
}

/// The status, and the message in a buffer of this size.
fn check(
    writer: Option<Writer>,
    context: *mut c_void,
    machines: Option<&str>,
    size: usize,
) -> (c_int, String) {
    let machines = machines.map(|names| CString::new(names).unwrap());
    let names = machines.as_ref().map_or(ptr::null(), |names| names.as_ptr());
    let mut message = vec![0x7f as c_char; size + 1];
    // SAFETY: all is as the header wants it.
    let status = unsafe { heapmatrix_check_writer(writer, context, names, 1, 2, message.as_mut_ptr(), size) };
    assert_eq!(message[size], 0x7f, "beyond the end");
    let bytes: Vec<u8> = message[..size].iter().map(|&c| c as u8).collect();
    (status, CStr::from_bytes_until_nul(&bytes).unwrap().to_str().unwrap().to_owned())
}

#[test]
fn a_writer_behind_the_abi_passes_on_every_machine() {
    let (status, message) = check(Some(writer), ptr::null_mut(), None, 4096);
    assert_eq!(status, 0, "{message}");
    assert!(
        message.contains("s") && message.ends_with("all dumps hold exactly what was put there\n"),
        "{message}"
    );
}

#[test]
fn wrong_writers_are_caught() {
    let mut wrong = 1_u8;
    let (status, message) = check(Some(writer), (&raw mut wrong).cast(), Some("386,ppc64"), 4096);
    assert!(status == 1 && message.contains("386 failed at seed 1: "), "{status}: {message}");
    let (status, message) = check(Some(gives_up), ptr::null_mut(), Some("mips"), 4096);
    assert!(status == 1 && message.contains("the writer gave up: it returned 7"), "{message}");
    let (status, message) = check(Some(gives_up), ptr::null_mut(), Some("mips"), 20);
    assert!(status == 1 && message.len() == 19, "{message}");
    assert_eq!(check(None, ptr::null_mut(), None, 100), (2, "the writer is NULL".to_owned()));
    assert_eq!(check(Some(writer), ptr::null_mut(), Some("vax"), 100), (2, "no worlds on vax".to_owned()));
}

/// A program in C: it includes the header, links the library, and is told that what it writes is no dump.
#[test]
fn the_header_is_that_of_the_library() {
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("did not run: there is no C compiler");
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Beside the tests' programs, where cargo puts the library of the crate that is tested.
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = [deps.clone(), deps.parent().unwrap().to_owned()]
        .into_iter()
        .find(|dir| dir.join("libheapmatrix_c.so").exists())
        .expect("the library is built with the tests");
    let dir = tempfile_in(&deps);
    let program = dir.join("writer");
    let output = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(here.join("include"))
        .arg(here.join("tests/writer.c"))
        .arg("-L")
        .arg(&library)
        .arg("-lheapmatrix_c")
        .arg("-o")
        .arg(&program)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(&program).env("LD_LIBRARY_PATH", &library).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        printed.contains("mips failed at seed 9: ")
            && printed.contains("heapmatrix_check_writer(writer, context, \"mips\", 9, 1, …)"),
        "{printed}"
    );
}

fn tempfile_in(dir: &Path) -> std::path::PathBuf {
    let dir = dir.join(format!("header-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}
