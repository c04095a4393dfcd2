// A SentencePiece tokenizer.model (sentencepiece_model.proto) that says what a
// tokenizer.json converted from one says.

const varint = number => {
  const bytes = [];
  for (let rest = BigInt.asUintN(64, BigInt(number));; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
};
const number = (field, value) =>
    Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, value) => {
  const content = Buffer.from(value);
  return Buffer.concat(
      [varint(field << 3 | 2), varint(content.length), content]);
};
const real = (field, value) => {
  const four = Buffer.alloc(4);
  four.writeFloatLE(value);
  return Buffer.concat([varint(field << 3 | 5), four]);
};

const kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6;

export function writeModel(json, dummyPrefix) {
  const added = new Map(json.added_tokens.map(t => [t.content, t.special]));
  const ranks = new Map();  // of the first merge that makes a token
  json.model.merges.forEach((merge, rank) => {
    const token = Array.isArray(merge) ? merge.join('') : merge.replace(' ', '');
    if (!ranks.has(token)) ranks.set(token, rank);
  });
  const typeOf = token => token === json.model.unk_token ? kUnknown
      : added.has(token) ? (added.get(token) ? kControl : kUserDefined)
      : /^<0x[0-9A-F]{2}>$/.test(token) ? kByte : kNormal;
  const byId = Object.entries(json.model.vocab).sort((a, b) => a[1] - b[1]);
  const pieces = byId.map(([token]) => {
    const type = typeOf(token);
    const score = type !== kNormal ? 0
        : /^▁+$/.test(token)       ? -1e9  // as in Llama's and Mistral's
                                   : -1 - (ranks.get(token) ?? 1e6);
    return bytes(1, Buffer.concat(
        [bytes(1, token), real(2, score), number(3, type)]));
  });
  const idOf = name => json.model.vocab[name] ?? -1;
  const trainer = Buffer.concat([
    number(3, 2), number(35, 1), number(40, idOf('<unk>')),
    number(41, idOf(dummyPrefix ? '<s>' : '<bos>')),
    number(42, idOf(dummyPrefix ? '</s>' : '<eos>')), number(43, idOf('<pad>'))
  ]);
  const normalizer = Buffer.concat([
    bytes(1, 'identity'), bytes(2, ''), number(3, dummyPrefix ? 1 : 0),
    number(4, 0), number(5, 1)
  ]);
  return Buffer.concat([...pieces, bytes(2, trainer), bytes(3, normalizer)]);
}
