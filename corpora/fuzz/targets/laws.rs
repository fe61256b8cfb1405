#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| heapmatrix_fuzz::reading::laws(input));
