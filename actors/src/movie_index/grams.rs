//! Which films have a text in their titles.

use memchr::memmem::Finder;

use super::films::{END, Films, number};

/// Bytes of a gram.
const LENGTH: usize = 3;
/// Candidates from which on looking at their titles is cheaper than at another list.
const FEW: usize = 64;
/// Bits of the number of lists: at least, and at most.
const BITS: (u32, u32) = (6, 16);

/// For every three bytes in a row, the films whose titles have them. Grams share a list with
/// others by chance, so that there are never more than 65,536 lists; and having every gram of a
/// text is not having the text: so the titles have the last word.
pub(super) struct Grams {
    bits: u32,
    /// Where each list begins, and the last one ends.
    starts: Vec<usize>,
    /// The lists: the first film plus one, then the distances from one to the next, as groups of
    /// seven bits, all but the last of a number with the eighth set.
    lists: Vec<u8>,
}

impl Grams {
    pub(super) fn new(films: &Films) -> Self {
        let (least, most) = BITS;
        let bits = (u32::BITS - films.len().leading_zeros() + 2).clamp(least, most);
        let mut sizes = vec![0; 1 << bits];
        each(films, bits, |list, distance| sizes[list] += size_of_varint(distance));
        let mut starts = Vec::with_capacity(sizes.len() + 1);
        let mut end = 0;
        starts.push(end);
        for size in sizes {
            end += size;
            starts.push(end);
        }
        let mut lists = vec![0; end];
        let mut places = starts.clone();
        each(films, bits, |list, distance| write(&mut lists, &mut places[list], distance));
        Self { bits, starts, lists }
    }

    /// The films that have a text, which is in lower case, within one of their titles.
    pub(super) fn containing(&self, films: &Films, text: &str) -> Vec<u32> {
        let finder = Finder::new(text);
        let mut lists: Vec<usize> =
            text.as_bytes().windows(LENGTH).map(|gram| list_of(gram, self.bits)).collect();
        lists.sort_unstable_by_key(|list| (self.starts[list + 1] - self.starts[*list], *list));
        lists.dedup();
        let Some((rarest, others)) = lists.split_first() else { return scan(films, &finder) };
        let mut found: Vec<u32> = self.films(*rarest).collect();
        for list in others {
            if found.len() <= FEW {
                break;
            }
            let mut others = self.films(*list).peekable();
            found.retain(|film| {
                while others.next_if(|other| other < film).is_some() {}
                others.next_if_eq(film).is_some()
            });
        }
        found.retain(|film| finder.find(films.titles(*film)).is_some());
        found
    }

    /// The films of a list, ascending.
    fn films(&self, list: usize) -> impl Iterator<Item = u32> + '_ {
        let mut bytes = self.lists[self.starts[list]..self.starts[list + 1]].iter();
        let mut next = 0;
        std::iter::from_fn(move || {
            let (mut distance, mut shift) = (0, 0);
            loop {
                let byte = *bytes.next()?;
                distance |= u32::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
                shift += 7;
            }
            next += distance;
            Some(next - 1)
        })
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.starts.len() * size_of::<usize>() + self.lists.len()
    }
}

/// Looks through all titles: for texts that are shorter than a gram.
fn scan(films: &Films, finder: &Finder<'_>) -> Vec<u32> {
    let (titles, ends) = films.all_titles();
    let (mut found, mut film, mut from) = (Vec::new(), 0, 0);
    while let Some(at) = titles.get(from..).and_then(|rest| finder.find(rest)) {
        while film < ends.len() && ends[film] <= from + at {
            film += 1;
        }
        let Some(end) = ends.get(film) else { break };
        found.push(number(film));
        from = *end;
    }
    found
}

/// Calls with the list of every gram and the distance from the film before it there, once for
/// each film that has it.
fn each(films: &Films, bits: u32, mut with: impl FnMut(usize, u32)) {
    let mut before = vec![0; 1 << bits];
    for film in 0..films.len() {
        let next = film + 1;
        for title in films.titles(film).split(|byte| *byte == END) {
            for gram in title.windows(LENGTH) {
                let list = list_of(gram, bits);
                if before[list] != next {
                    with(list, next - before[list]);
                    before[list] = next;
                }
            }
        }
    }
}

fn list_of(gram: &[u8], bits: u32) -> usize {
    let number = gram.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    // Fibonacci hashing: the highest bits depend on all bytes.
    (number.wrapping_mul(0x9e37_79b1) >> (u32::BITS - bits)) as usize
}

fn size_of_varint(number: u32) -> usize {
    (u32::BITS - number.leading_zeros()).div_ceil(7).max(1) as usize
}

fn write(lists: &mut [u8], place: &mut usize, mut number: u32) {
    while number >= 0x80 {
        lists[*place] = (number & 0x7f) as u8 | 0x80;
        *place += 1;
        number >>= 7;
    }
    lists[*place] = number as u8;
    *place += 1;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::domain::{GenreSet, MovieId, MovieRow};

    const WORDS: [&str; 9] =
        ["", "a", "wolf", "wolfram", "olf", "Wölfe", "日本", "本の", "w o l f"];

    fn films(count: usize) -> Films {
        let mut films = Films::default();
        for film in 0..count {
            let word = |place: usize| WORDS[film / place % WORDS.len()].to_lowercase();
            films.push(&MovieRow {
                id: MovieId::try_from(i64::try_from(film).unwrap() + 1).unwrap(),
                title_key: format!("{}{}", word(1), word(9)),
                original_title_key: format!("{} {}", word(81), word(3)),
                original_language: String::new(),
                released: None,
                genres: GenreSet::default(),
                popularity: 0.0,
                vote_average: 0.0,
            });
        }
        films
    }

    #[test]
    fn texts_are_found_where_they_are_and_nowhere_else() {
        for count in [0, 1, 70, 3_000] {
            let films = films(count);
            let grams = Grams::new(&films);
            let texts =
                ["a", "f", "wo", "wol", "wolf", "wolfwolf", "olfw", "lfram", "ölf", "日", "の日"];
            for text in texts.into_iter().chain([" ", "w o l", "wolf wolfram", "nowhere", "xy"]) {
                let has = |film: &u32| {
                    let titles = films.titles(*film).split(|byte| *byte == END);
                    titles
                        .map(|title| std::str::from_utf8(title).unwrap())
                        .any(|it| it.contains(text))
                };
                let expected: Vec<u32> = (0..films.len()).filter(has).collect();
                assert_eq!(grams.containing(&films, text), expected, "{text:?} in {count}");
            }
        }
    }
}
