//! A picture made a quarter as wide and as high: each pixel is what sixteen were on average.

use crate::numbers::Numbers;

/// The picture: red, green and blue for each pixel, row by row.
const WIDTH: usize = 512;
const HEIGHT: usize = 384;
const CHANNELS: usize = 3;
/// How many pixels become one, in each direction.
const FACTOR: usize = 4;

pub(crate) fn work() -> String {
    let picture = picture();
    let small = resize(&picture);
    let sum = small.iter().fold(0_u32, |sum, value| sum.wrapping_mul(31).wrapping_add(u32::from(*value)));
    format!("resized to {} × {}: {sum:08x}\n", WIDTH / FACTOR, HEIGHT / FACTOR)
}

/// A picture with a little noise in it.
fn picture() -> Vec<u8> {
    let bytes = WIDTH * HEIGHT * CHANNELS;
    let mut picture: Vec<u8> = Numbers::default().take(bytes / 8).flat_map(u64::to_le_bytes).collect();
    for (place, value) in picture.iter_mut().enumerate() {
        *value = (place / CHANNELS % WIDTH / 8) as u8 / 2 + *value / 2;
    }
    picture
}

fn resize(picture: &[u8]) -> Vec<u8> {
    let mut small = Vec::with_capacity(picture.len() / (FACTOR * FACTOR));
    for rows in picture.chunks_exact(WIDTH * CHANNELS * FACTOR) {
        for column in (0..WIDTH).step_by(FACTOR) {
            for channel in 0..CHANNELS {
                let row = |row: usize| &rows[(row * WIDTH + column) * CHANNELS..][..FACTOR * CHANNELS];
                let values = (0..FACTOR).flat_map(|y| row(y).iter().skip(channel).step_by(CHANNELS));
                let sum: u32 = values.map(|value| u32::from(*value)).sum();
                small.push((sum / (FACTOR * FACTOR) as u32) as u8);
            }
        }
    }
    small
}
