//! Numbers of films, bit by bit.

use roaring::RoaringBitmap;

/// The number of each film in an order, cut into one bitmap for each binary digit: which films have
/// at least some number takes one operation for each digit, however many films and numbers
/// there are.
pub(super) struct Slices {
    films: u32,
    /// The lowest digit first.
    digits: Vec<RoaringBitmap>,
}

impl Slices {
    /// Of the numbers in the films' order.
    pub(super) fn new(numbers: &[u32]) -> Self {
        let greatest = numbers.iter().copied().max().unwrap_or(0);
        let digits = (0..u32::BITS - greatest.leading_zeros()).map(|digit| {
            let byte = |eight: &[u32]| {
                let bits = eight.iter().map(|number| (number >> digit & 1) as u8);
                bits.enumerate().fold(0, |byte, (place, bit)| byte | bit << place)
            };
            let bytes: Vec<u8> = numbers.chunks(8).map(byte).collect();
            let mut films = RoaringBitmap::from_lsb0_bytes(0, &bytes);
            films.optimize();
            films
        });
        Self { films: super::films::number(numbers.len()), digits: digits.collect() }
    }

    /// The films whose number is this one or greater.
    pub(super) fn at_least(&self, number: u32) -> RoaringBitmap {
        let has = |digit: usize| u64::from(number) >> digit & 1 == 1;
        if u64::from(number) >> self.digits.len() > 0 {
            return RoaringBitmap::new();
        }
        // Below its lowest 1 every film will do.
        let Some(lowest) = (0..self.digits.len()).find(|digit| has(*digit)) else {
            return (0..self.films).collect();
        };
        let mut found = self.digits[lowest].clone();
        for (digit, films) in self.digits.iter().enumerate().skip(lowest + 1) {
            if has(digit) {
                found &= films;
            } else {
                found |= films;
            }
        }
        found
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.digits.iter().map(RoaringBitmap::serialized_size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_is_exact_at_every_number() {
        let numbers: Vec<u32> = (0..1_000).map(|it| it * 7 % 23).collect();
        let slices = Slices::new(&numbers);
        for least in 0..40 {
            let expected: RoaringBitmap =
                (0..1_000).filter(|film| numbers[*film as usize] >= least).collect();
            assert_eq!(slices.at_least(least), expected, "{least}");
        }
        assert_eq!(slices.at_least(u32::MAX).len(), 0);
    }

    #[test]
    fn without_films_or_with_one_number_it_is_exact_too() {
        assert!(Slices::new(&[]).at_least(0).is_empty());
        assert_eq!(Slices::new(&[0, 0]).at_least(0).len(), 2);
        assert!(Slices::new(&[0, 0]).at_least(1).is_empty());
        assert_eq!(Slices::new(&[u32::MAX, 1]).at_least(2).len(), 1);
    }
}
