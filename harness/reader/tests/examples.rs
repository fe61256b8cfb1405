//! The examples do what they say.

#[path = "../examples/histogram.rs"]
mod histogram;

use heapmatrix_reader::{Fields, Object, Record, Version};

#[test]
fn histogram_counts_small_and_large_objects() {
    let mut dump = Version::Go15.header().to_vec();
    // A big-endian machine with pointers of four bytes.
    dump.extend([6, 1, 4, 0, 0x7f, 0x39, 0, 1]);
    let large = vec![1; 3 << 20];
    for contents in [&[0; 8][..], &[0; 16], &large, &[0; 8], &[0; 8]] {
        Record::Object(Object { address: 0x10, contents, fields: Fields::default() })
            .write_to(&mut dump)
            .unwrap();
    }
    dump.push(0);
    let mut out = Vec::new();
    histogram::histogram(&dump[..], &mut out).unwrap();
    let expected = "         1 objects of  3145728 bytes:      3145728
         3 objects of        8 bytes:           24
         1 objects of       16 bytes:           16
";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert!(histogram::histogram(&dump[..20], std::io::sink()).is_err(), "a dump that is cut off");
}
