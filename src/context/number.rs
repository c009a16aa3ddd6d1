//! Numbers as text, the same as their `Display`, for the values of a record.
//!
//! A record with two numbers costs a quarter more than one without; through `std::fmt` a number alone costs that much.

use std::fmt::Write as _;

/// Appends a whole number.
pub(super) fn push_u64(out: &mut String, number: u64) {
    if number >= 10 {
        push_u64(out, number / 10);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

/// Appends a whole number that may be below zero.
pub(super) fn push_i64(out: &mut String, number: i64) {
    if number < 0 {
        out.push('-');
    }
    push_u64(out, number.unsigned_abs());
}

/// Appends a floating-point number.
///
/// A decimal of at most 15 digits that reads as `number` is the shortest one that does: no two such decimals read as
/// the same `f64`. `Display` writes the shortest, so the two agree. All other numbers go through `Display`.
pub(super) fn push_f64(out: &mut String, number: f64) {
    const POWERS: [u32; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
    const FIFTEEN_DIGITS: i64 = 1_000_000_000_000_000;
    let magnitude = number.abs();
    for (decimals, power) in POWERS.into_iter().enumerate() {
        // Rounded; what is not finite or too large fails the comparisons.
        let digits = (magnitude * f64::from(power) + 0.5) as i64;
        if digits >= FIFTEEN_DIGITS {
            break;
        }
        if digits as f64 / f64::from(power) == magnitude {
            let (digits, power) = (digits.unsigned_abs(), u64::from(power));
            if number.is_sign_negative() {
                out.push('-');
            }
            push_u64(out, digits / power);
            if decimals > 0 {
                out.push('.');
                let fraction = digits % power;
                let zeros = POWERS[1..decimals].iter().filter(|it| fraction < u64::from(**it));
                zeros.for_each(|_| out.push('0'));
                push_u64(out, fraction);
            }
            return;
        }
    }
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(push: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        push(&mut out);
        out
    }

    fn is_its_display(number: f64) {
        assert_eq!(text(|out| push_f64(out, number)), number.to_string());
    }

    #[test]
    fn numbers_at_the_edges_are_their_display() {
        for number in
            [0.0, 0.5, 12.5, 0.05, 10.01, 1e14, 1e15, 1e16, 1e21, 0.1 + 0.2, 1e-6, 1e-7, 5e-324]
        {
            is_its_display(number);
            is_its_display(-number);
        }
        for number in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, f64::EPSILON] {
            is_its_display(number);
            is_its_display(-number);
        }
        for number in [0, 1, -1, 9, 10, 99, 100, i64::MAX, i64::MIN] {
            assert_eq!(text(|out| push_i64(out, number)), number.to_string());
        }
        assert_eq!(text(|out| push_u64(out, u64::MAX)), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn any_number_is_its_display(bits: u64, whole: i64, decimals in 0..9_i32, small in -2_000_000..2_000_000_i64) {
            is_its_display(f64::from_bits(bits));
            is_its_display(small as f64 / 10_f64.powi(decimals));
            is_its_display(whole as f64);
            is_its_display(f64::from(small as f32 / 10_f32.powi(decimals)));
            prop_assert_eq!(text(|out| push_i64(out, whole)), whole.to_string());
        }
    }
}
