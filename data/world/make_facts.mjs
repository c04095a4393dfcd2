// Writes facts.json, the table the built-in corpus is woven from. Run it again
// only when a source changes:
//   npm install world-countries@5.1.0 cldr-localenames-full@48.2.0 \
//       cldr-dates-full@48.2.0 cldr-numbers-full@48.2.0
//   node make_facts.mjs
import {readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';

const require = createRequire(process.cwd() + '/');
const here = new URL('./', import.meta.url);
const read = name => JSON.parse(readFileSync(new URL(name, here)));

const countries = require('world-countries').filter(c => c.independent);
const cldr = (part, file) => require(`cldr-${part}-full/main/${file}.json`);
const names = language => cldr('localenames', `${language}/languages`)
    .main[language].localeDisplayNames.languages;
const territories = language => cldr('localenames', `${language}/territories`)
    .main[language].localeDisplayNames.territories;
const currencies = language => cldr('numbers', `${language}/currencies`)
    .main[language].numbers.currencies;
const koreanCapitals = read('capitals.ko.json').capitals;
const {countries: corrections, languages: languageNames, money: moneyNames} =
    read('corrections.json');

const plain = name => name.normalize('NFD').replace(/[^A-Za-z]/g, '').toLowerCase();

// CLDR's exemplar cities of time zones, by their plain English name.
function exemplarCities(zones, found = {}) {
  for (const [key, value] of Object.entries(zones)) {
    if (value.exemplarCity) found[plain(key)] = value.exemplarCity;
    else if (typeof value === 'object') exemplarCities(value, found);
  }
  return found;
}
const cities = exemplarCities(
    cldr('dates', 'ko/timeZoneNames').main.ko.dates.timeZoneNames.zone);

const alpha2 = code => new Intl.Locale(code).language;
const kContinents = {
  Africa: ['아프리카', 'Africa'], Asia: ['아시아', 'Asia'],
  Europe: ['유럽', 'Europe'], Oceania: ['오세아니아', 'Oceania'],
  North: ['북아메리카', 'North America'], South: ['남아메리카', 'South America'],
};
const kRegions = {
  'Southern Europe': '남유럽', 'Western Asia': '서아시아', 'Southern Asia': '남아시아',
  'Caribbean': '카리브해 지역', 'Southeast Europe': '남동유럽', 'Middle Africa': '중앙아프리카',
  'South America': '남아메리카', 'Central Europe': '중부 유럽',
  'Australia and New Zealand': '오스트랄라시아', 'Western Europe': '서유럽',
  'Western Africa': '서아프리카', 'Eastern Africa': '동아프리카',
  'South-Eastern Asia': '동남아시아', 'Southern Africa': '남부 아프리카',
  'Eastern Europe': '동유럽', 'Central America': '중앙아메리카', 'North America': '북아메리카',
  'Eastern Asia': '동아시아', 'Northern Europe': '북유럽', 'Northern Africa': '북아프리카',
  'Melanesia': '멜라네시아', 'Micronesia': '미크로네시아', 'Central Asia': '중앙아시아',
  'Polynesia': '폴리네시아',
};

// The unit alone for a country's own money ("원"), the whole name for another's
// or a shared one ("유로", "미국 달러"). ISO 4217 codes start with the issuer.
function money(country, language) {
  const codes = Object.keys(country.currencies);
  const code = corrections[country.cca2]?.money ??
      codes.find(c => c.startsWith(country.cca2)) ?? codes[0];
  if (!code || corrections[country.cca2]?.currency === null) return undefined;
  const table = currencies(language)[code];
  const whole = moneyNames[language][code] ??
      table['displayName-count-one'] ?? table.displayName;
  const own = code.startsWith(country.cca2);
  const unit = whole.replace(/\(.*\)/, '').trim().split(' ').at(-1);
  return own && !moneyNames[language][code]
      ? {value: language === 'en' ? unit.toLowerCase() : unit, also: [whole.replace(/ ?\(.*\)/, '')]}
      : own ? {value: language === 'ko' && code === 'USD' ? '달러' : unit, also: [whole]}
      : {value: whole, also: []};
}

function spoken(country, language) {
  const list = corrections[country.cca2]?.language === undefined
      ? Object.keys(country.languages) : corrections[country.cca2].language;
  if (!list || list.length > 4) return undefined;
  return list.map(code => languageNames[language][code] ??
      (language === 'en' ? country.languages[code] ?? names('en')[alpha2(code)]
                         : names('ko')[alpha2(code)]));
}

function describe(country, language) {
  const fixes = corrections[country.cca2] ?? {};
  const south = country.subregion === 'South America';
  const region = country.region === 'Americas' ? (south ? 'South' : 'North') : country.region;
  const korean = language === 'ko';
  const currency = money(country, language);
  const capital = korean ? koreanCapitals[country.cca2] ?? cities[plain(country.capital[0])]
                         : country.capital[0];
  const facts = {
    name: korean ? territories('ko')[country.cca2] : country.name.common,
    capital: capital?.replace(/^(부에노스) (아이레스)$/, '$1$2'),
    continent: kContinents[region][korean ? 0 : 1],
    region: korean ? kRegions[country.subregion] : country.subregion.replace('South-Eastern', 'Southeastern'),
    currency: currency?.value,
    language: spoken(country, language),
    demonym: korean ? undefined : country.demonyms.eng.m.split(/,| or /)[0],
    ...fixes[language],
  };
  const also = {...fixes.also?.[language]};
  if (currency?.also.length && facts.currency)
    also.currency = [...new Set([...currency.also, ...(also.currency ?? [])])]
        .filter(name => name !== facts.currency);
  if (facts.name.startsWith('the '))
    also.name = [facts.name.slice(4), ...(also.name ?? [])];
  facts.title = facts.name.replace(/^the /, '');
  return {...facts, also};
}

const described = new Map(countries.map(
    c => [c.cca3, {ko: describe(c, 'ko'), en: describe(c, 'en')}]));
const table = countries.sort((a, b) => (a.cca2 < b.cca2 ? -1 : 1)).map(country => {
  const facts = described.get(country.cca3);
  const entity = {id: country.cca2, group: facts.en.continent};
  for (const language of ['ko', 'en']) {
    const {also, ...values} = facts[language];
    const neighbours = country.borders.filter(b => described.has(b))
        .map(b => described.get(b)[language].name);
    if (neighbours.length && neighbours.length <= 6) values.neighbours = neighbours;
    if (!neighbours.length && !country.borders.length) values.island = values.name;
    for (const [key, value] of Object.entries(values))
      if (value === undefined || JSON.stringify(value)?.includes('undefined'))
        delete values[key], value !== undefined && console.warn(country.cca2, language, key, value);
      else if (Array.isArray(value) && value.length === 1) values[key] = value[0];
    if (!values.capital) console.warn(country.cca2, language, 'has no capital');
    if (Object.keys(also).some(k => also[k].length)) values.also = also;
    entity[language] = values;
  }
  return entity;
});
writeFileSync(new URL('facts.json', here),
    '[\n' + table.map(row => JSON.stringify(row)).join(',\n') + '\n]\n');
console.log(`${table.length} countries`);
