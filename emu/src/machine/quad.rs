//! Square roots of binary128, the `long double` of s390x.

/// How a result that is not exact is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Nearest,
    ToZero,
    Up,
    Down,
}

/// What is wrong with a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    None,
    Inexact,
    Invalid,
}

const FRACTION: u32 = 112;
const BIAS: i32 = 0x3fff;
const SPECIAL: i32 = 0x7fff;
const SIGN: u128 = 1 << 127;
const QUIET: u128 = 1 << (FRACTION - 1);
const INFINITY: u128 = (SPECIAL as u128) << FRACTION;

/// The square root of a number, both as their bits.
pub(super) fn square_root(bits: u128, rounding: Rounding) -> (u128, Flag) {
    let fraction = bits & ((1 << FRACTION) - 1);
    let exponent = (bits >> FRACTION) as i32 & SPECIAL;
    if exponent == SPECIAL && fraction != 0 {
        let flag = if fraction & QUIET == 0 { Flag::Invalid } else { Flag::None };
        return (bits | QUIET, flag);
    }
    if bits & !SIGN == 0 || bits == INFINITY {
        return (bits, Flag::None);
    }
    if bits & SIGN != 0 {
        return (INFINITY | QUIET, Flag::Invalid);
    }

    // The number is significand * 2^(exponent - 112), with 113 bits of significand. Numbers below the normal ones have fewer, and
    // the exponent of the smallest of these.
    let significand = if exponent == 0 { fraction } else { fraction | 1 << FRACTION };
    let shift = significand.leading_zeros() - (127 - FRACTION);
    let significand = significand << shift;
    let exponent = exponent.max(1) - BIAS - shift as i32;
    // The exponent becomes even, and the root has half of it.
    let significand = significand << (exponent & 1);
    let (root, rest) = digits(significand);

    // One digit more than there is room for.
    let (mut result, half, exact) = (root >> 1, root & 1 == 1, root & 1 == 0 && rest == 0);
    let up = match rounding {
        Rounding::Nearest => half && (rest != 0 || result & 1 == 1),
        Rounding::Up => !exact,
        Rounding::ToZero | Rounding::Down => false,
    };
    result += u128::from(up);
    // Carried into the next digit, the exponent is one more, and the fraction zero, as it comes.
    let exponent = ((exponent >> 1) + BIAS - 1) as u128;
    ((exponent << FRACTION) + result, if exact { Flag::None } else { Flag::Inexact })
}

/// The first 114 binary digits of the root of `significand * 2^-112`, which is at least 1 and less than 4, and what is left.
fn digits(significand: u128) -> (u128, u128) {
    let (mut root, mut rest) = (0_u128, 0_u128);
    for pair in 0..FRACTION + 2 {
        // Two digits of the number for each of the root.
        let next = (FRACTION).checked_sub(2 * pair).map_or(0, |at| significand >> at & 3);
        rest = rest << 2 | next;
        let trial = root << 2 | 1;
        root <<= 1;
        if rest >= trial {
            rest -= trial;
            root |= 1;
        }
    }
    (root, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: u128 = (BIAS as u128) << FRACTION;

    #[test]
    fn known_roots() {
        let root = |bits| square_root(bits, Rounding::Nearest);
        let two = ONE + (1 << FRACTION);
        assert_eq!(root(ONE), (ONE, Flag::None));
        assert_eq!(root(ONE + (2 << FRACTION)), (two, Flag::None), "of 4");
        assert_eq!(root(two), (0x3fff_6a09_e667_f3bc_c908_b2fb_1366_ea95, Flag::Inexact));
        assert_eq!(square_root(two, Rounding::Up).0, 0x3fff_6a09_e667_f3bc_c908_b2fb_1366_ea96);
        // Of 3, whose digits go on with 3b.
        let three = two + (1 << (FRACTION - 1));
        for (rounding, last) in [
            (Rounding::Nearest, 0xb8),
            (Rounding::Up, 0xb9),
            (Rounding::ToZero, 0xb8),
            (Rounding::Down, 0xb8),
        ] {
            let (root, flag) = square_root(three, rounding);
            assert_eq!(root, 0x3fff_bb67_ae85_84ca_a73b_2574_2d70_7800 | last, "{rounding:?}");
            assert_eq!(flag, Flag::Inexact);
        }
        // The smallest number is 2^-16494, the largest just below 2^16384.
        assert_eq!(root(1), (((BIAS - 8247) as u128) << FRACTION, Flag::None));
        let largest = INFINITY - 1;
        assert_eq!(square_root(largest, Rounding::Up), (((BIAS + 8192) as u128) << FRACTION, Flag::Inexact));
        // Zeros, infinity, what has no root, and what is no number.
        for bits in [0, SIGN, INFINITY, INFINITY | QUIET | 5] {
            assert_eq!(root(bits), (bits, Flag::None));
        }
        for bits in [SIGN | ONE, SIGN | INFINITY, SIGN | 1] {
            assert_eq!(root(bits), (INFINITY | QUIET, Flag::Invalid));
        }
        assert_eq!(root(INFINITY | 5), (INFINITY | QUIET | 5, Flag::Invalid));
    }

    proptest! {
        /// Rounded once more, to the 53 bits of a `f64`, a root is the host's: 113 bits are enough for that.
        #[test]
        fn roots_are_the_hosts(number in any::<f64>()) {
            let number = number.abs();
            prop_assume!(number.is_normal());
            let quad = |number: f64| {
                let bits = number.to_bits();
                let exponent = (bits >> 52) as i32 - 1023 + BIAS;
                (exponent as u128) << FRACTION | u128::from(bits & ((1 << 52) - 1)) << (FRACTION - 52)
            };
            let (root, flag) = square_root(quad(number), Rounding::Nearest);
            let below = root & ((1 << (FRACTION - 52)) - 1);
            let half = 1 << (FRACTION - 53);
            let kept = root >> (FRACTION - 52);
            let rounded = kept + u128::from(below > half || below == half && kept & 1 == 1);
            prop_assert_eq!(rounded, quad(number.sqrt()) >> (FRACTION - 52));
            prop_assert!(flag == Flag::None || below != 0 || root != quad(number.sqrt()));
        }
    }
}
