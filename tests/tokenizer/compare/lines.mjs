// Lines on which tokenizers are compared: the same for the same seed and count.

// A 32-bit xorshift generator.
export function random(seed) {
  let state = seed >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>>= 0;
  };
  const below = n => Math.floor((next() / 2 ** 32) * n);
  return {
    below,
    pick: items => items[below(items.length)],
    several: (n, one) => Array.from({length: n}, one).join(''),
  };
}

const korean =
    `나는 아침에 밥을 먹고 학교에 갔다. 대한민국의 수도는 서울이다 훈민정음은
세종대왕이 만들었습니다! 값이 넓은 읽다 앉아서 괜찮아요 뭐라고? ㅋㅋㅋ ㅠㅠ 뷁 쒧 퓨쳐
프랑스의 프랑스는 프랑스에서 이것은 그것이 저것을 우리가 너희들에게 사람으로부터 닭볶음탕
3월 15일(금) 오후 2시 30분, 가격은 12,500원입니다. 漢字와 한글을 섞어 쓴 文章 ①번 ㈜회사 ℃`
        .split(/\s+/);
const english =
    `the quick brown fox Jumps over The LAZY dog. I'm you're they'll We've it's
don't HE'D state-of-the-art naïve café résumé coöperate Zürich 1st 2nd 1,234.56
$99.99 50% e.g. i.e. U.S.A. (parenthesis) "quotes" 'single' “curly” ‘single’ — –
… antidisestablishmentarianism supercalifragilisticexpialidocious aaaaaaaaaaaaaa
hello world model token language instruct fine-tuning transformer attention 1984`
        .split(/\s+/);
const code = [
  'for (int i = 0; i < n; ++i) {', '\treturn x;', '}', '    if x == None:',
  '        raise ValueError(f"bad {x!r}")', 'const f = async (a, b) => a ?? b;',
  '#include <vector>', '/* comment */', '// TODO: 한글 주석', 'x = [1, 2, 3]  # list',
  '<div class="a">text</div>', '<table><tr><td>1</td></tr></table>',
  'SELECT * FROM t WHERE a=\'b\';', 'https://example.com/a?b=c&d=%20#e',
  'user@example.com', 'C:\\path\\to\\file.txt', '{"key": [true, null, 1e-5]}',
  '$$\\int_0^1 x^2\\,dx$$', '&amp;&lt;', '```python\nprint("hi")\n```', '0xDEADBEEF',
  'snake_case camelCase PascalCase SCREAMING_CASE', '==>', '!=', '/**', '*/', '->',
  '::', '<<=', '|>', '\\n', '\\u0041'
];
const emoji = [
  '👨‍👩‍👧‍👦', '👍🏽', '🇰🇷', '❤️', '🏳️‍🌈', '😀', '1️⃣', '🧑🏿‍🚀', '👁️‍🗨️', '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
  '☎️', '⌚', '🫠', '🤷‍♀️', '\u200d', '\ufe0f', '\u20e3'
];
const spaces = [
  ' ', '  ', '   ', '     ', '\t', '\t\t', '\n', '\n\n', '\n\n\n', '\r\n', '\r',
  '\u00a0', '\u3000', '\u200b', '\u2028', '\u2029', '\u000b', '\f', '\u0085',
  '\u1680', '\u180e', '\u2003', '\u202f', '\ufeff'
];
const odd = [
  '\0', '\u0001', '\u0007', '\b', '\u001b[31m', '\u007f', '\u0080', '\u009f',
  'é', 'e\u0301', 'ß', 'ſ', '\'s', '\'S', '\'LL', '\'re', '\'ſ', '½', 'Ⅳ', '٣',
  '१२', '12345', '007', '\u1112\u1161\u11ab', 'ㅎㅏㄴ', 'ﬁ', 'İ', 'ı', '𝒳', '𠮷',
  'ΑΣ', 'ΰ', '\u0344', '\u0f73', '\u2126', '\u212b', '\uf900', '\ufb1d', 'ｱﾞ',
  '가\u11a8', '\u1100\u1161\u11a8', '\u0300', 'ก็', 'Ġ', 'Ċ', 'âĢĶ', '▁', '▁▁', '▁a',
  'a▁', '▂', '▖', '<0x0A>', '<0xE1>', '<0xZZ>', '\ufffd', '\ufffe', '\u0378', '\u{10ffff}', '…',
  '_', '-', '!?', '(', '});', 'x'.repeat(70), 'ab'.repeat(40), '가'.repeat(40),
  '='.repeat(33), '-'.repeat(100), '0'.repeat(31)
];

// Looks like a special token, or is one. `specials`: those of the tokenizer.
function lookalike(r, specials) {
  const whole = r.pick(specials);
  return r.pick([
    () => whole,
    () => whole.slice(0, -1),
    () => whole.slice(1),
    () => whole + whole,
    () => ' ' + whole + ' ',
    () => whole.toUpperCase(),
    () => whole[0] + ' ' + whole.slice(1),
    () => r.pick(['<s>', '</s>', '[INST]', '<|im_start|>', '<|eot_id|>', '<bos>',
                  '<start_of_turn>', '<unk>', '<pad>', '<|', '|>', '<think>']),
  ])();
}

// Letters, marks and numbers that Unicode 15, 16 and 17 brought. The library takes them
// as such; PCRE2 of Debian 12 has the tables of Unicode 14.
const sinceUnicode14 =
    `88f-897 c5c cdc cf3 ece 1acf-1aeb 1c89-1c8a a7cb-a7dc a7f1 105c0-105f3
10940-10959 10d40-10d85 10ec2-10ec7 10efa-10eff 1123f-11241 11380-113d3
113e1-113e2 116d0-116e3 11b60-11b67 11bc0-11be0 11bf0-11bf9 11db0-11de9
11f00-11f42 11f50-11f5a 1342f 13440-13455 13460-143fa 16100-16139 16d40-16d79
16ea0-16ed3 16ff2-16ff6 187f8-187ff 18cff 18d09-18d1e 18d80-18df2 1b132 1b155
1ccf0-1ccf9 1d2c0-1d2d3 1df25-1df2a 1e030-1e06d 1e08f 1e4d0-1e4f9 1e5d0-1e5fa
1e6c0-1e6f5 1e6fe-1e6ff 2b739-2b73f 2cea2-2cead 2ebf0-2ee5d 31350-33479`
        .split(/\s+/)
        .map(range => range.split('-').map(end => parseInt(end, 16)))
        .map(([first, last = first]) => [first, last]);

function isKnown(c) {
  if (c >= 0xd800 && c < 0xe000) return false;
  if (sinceUnicode14.some(([first, last]) => first <= c && c <= last))
    return false;
  return !/\p{Cn}/u.test(String.fromCodePoint(c));
}

function scalar(r) {
  for (;;) {
    const c = r.pick([
      () => r.below(0x80), () => r.below(0x3000), () => r.below(0x10000),
      () => r.below(0x20000), () => r.below(0x110000),
      () => 0xac00 + r.below(11172), () => 0x1100 + r.below(0x100),
      () => 0x1f300 + r.below(0x700), () => 0x4e00 + r.below(0x5200)
    ])();
    if (isKnown(c)) return String.fromCodePoint(c);
  }
}

export function lines(seed, count, specials) {
  const r = random(seed);
  const word = () => r.pick([korean, english, code])[r.below(28)];
  const words = (from, n) =>
      Array.from({length: n}, () => r.pick(from)).join(' ');
  const anything = () =>
      r.pick([word, () => r.pick(emoji), () => r.pick(spaces),
              () => r.pick(odd), () => scalar(r),
              () => lookalike(r, specials)])();
  const kinds = [
    () => words(korean, 1 + r.below(12)),
    () => words(korean, 1 + r.below(8)).normalize('NFD'),
    () => words(english, 1 + r.below(12)),
    () => r.several(1 + r.below(4),
                    () => ' '.repeat(r.below(9)) + r.pick(code) +
                        r.pick(['', '\n', '\n\n', '  '])),
    () => r.several(1 + r.below(8), () => r.pick(emoji) + r.pick(['', '', ' '])),
    () => r.several(1 + r.below(6), () => r.pick(odd)),
    () => r.several(1 + r.below(8), () => r.pick(spaces)) + word(),
    () => r.several(1 + r.below(5), () => word() + ' '.repeat(r.below(40))),
    () => r.several(1 + r.below(6), () => lookalike(r, specials) +
                        r.pick(['', ' ', 'a', '한', '\n', '  b'])),
    () => r.several(1 + r.below(12), () => scalar(r)),
    () => r.several(1 + r.below(12), anything),
    () => r.several(20 + r.below(150), anything),
  ];
  return Array.from({length: count}, (_, i) => kinds[i % kinds.length]());
}
