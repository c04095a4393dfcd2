// Changes of a tokenizer.json that bring in parts the families do not use.

const sequence = (name, steps) => ({type: 'Sequence', [name]: steps});
const split = (pattern, behavior, invert = false) =>
    ({type: 'Split', pattern, behavior, invert});
const metaspace = (scheme, splits) => ({
  type: 'Metaspace', replacement: '▁', prepend_scheme: scheme, split: splits
});
const byteLevel = (space, regex) => ({
  type: 'ByteLevel', add_prefix_space: space, trim_offsets: true,
  use_regex: regex
});
const prepend = {type: 'Prepend', prepend: '▁'};
const spaces = {type: 'Replace', pattern: {String: ' '}, content: '▁'};

// Parts around Llama 2's vocabulary, of characters.
const llama = change => ({base: 'llama-2', change: () => change});
const model = options => ({
  base: 'llama-2', change: json => ({model: {...json.model, ...options}})
});
// Tokens added to Llama 2's.
const added = tokens => ({
  base: 'llama-2',
  specials: tokens.map(token => token.content),
  change: json => ({
    added_tokens: [
      ...json.added_tokens,
      ...tokens.map((token, i) => ({
        id: Object.keys(json.model.vocab).length + i, single_word: false,
        lstrip: false, rstrip: false, normalized: false, special: false,
        ...token
      }))
    ]
  })
});
// And around Qwen 3's, of bytes.
const qwen = change => ({base: 'qwen-3', change: () => change});

const behaviors = [
  'Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'
];

export const variants = [
  llama({normalizer: null, pre_tokenizer: metaspace('first', false)}),
  llama({
    normalizer: null, pre_tokenizer: metaspace('always', true),
    decoder: metaspace('always', true)
  }),
  llama({
    normalizer: null, pre_tokenizer: metaspace('never', true),
    decoder: sequence('decoders', [
      {type: 'ByteFallback'}, metaspace('never', true), {type: 'Fuse'},
      {type: 'Strip', content: 'a', start: 2, stop: 1}
    ])
  }),
  llama({
    normalizer: sequence('normalizers', [
      {type: 'NFKC'}, {type: 'Lowercase'},
      {type: 'Strip', strip_left: true, strip_right: true},
      {type: 'Replace', pattern: {Regex: '\\s+'}, content: ' '}, prepend, spaces
    ])
  }),
  llama({
    normalizer: sequence('normalizers', [
      {type: 'NFD'}, {type: 'StripAccents'},
      {type: 'Strip', strip_left: false, strip_right: true}, spaces
    ])
  }),
  llama({normalizer: sequence('normalizers', [{type: 'NFKD'}, spaces])}),
  ...behaviors.map(name => llama({
    normalizer: null, pre_tokenizer: split({Regex: '\\s|[,.가-나]'}, name)
  })),
  ...behaviors.map(name => llama({
    normalizer: null, pre_tokenizer: split({String: 'a'}, name, true)
  })),
  llama({normalizer: null, pre_tokenizer: split({Regex: 'x*'}, 'Isolated')}),
  llama({
    normalizer: null,
    pre_tokenizer: sequence('pretokenizers', [
      {type: 'Digits', individual_digits: false}, metaspace('first', true)
    ])
  }),
  model({byte_fallback: false}),
  model({byte_fallback: false, fuse_unk: false}),
  model({byte_fallback: false, unk_token: null}),
  added([
    {content: '<a>', lstrip: true}, {content: '한국', rstrip: true},
    {content: 'brown', single_word: true, special: true},
    {content: '[B]', lstrip: true, rstrip: true, special: true}
  ]),
  added([
    {content: '<a>', normalized: true}, {content: '  ', normalized: true},
    {content: 'fox', single_word: true, normalized: true},
    {content: '<a>b', special: true}
  ]),
  qwen({pre_tokenizer: byteLevel(true, true)}),
  qwen({
    normalizer: {type: 'NFKC'},
    pre_tokenizer: sequence('pretokenizers', [
      {type: 'Digits', individual_digits: true}, byteLevel(false, true)
    ])
  }),
  {
    base: 'qwen-3',
    change: json => ({model: {...json.model, ignore_merges: true}})
  },
];
