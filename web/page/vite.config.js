import {defineConfig} from 'vite';

// The program serves one file: script and style go into the page.
const oneFile = {
  name: 'one-file',
  enforce: 'post',
  generateBundle(_, bundle) {
    const page = bundle['index.html'];
    const put = (pattern, tag, text) => {
      page.source = page.source.replace(pattern, () => `<${tag}>${text}</${tag.split(' ')[0]}>`);
    };
    for (const [name, part] of Object.entries(bundle)) {
      if (name.endsWith('.js')) put(/<script type="module"[^>]*><\/script>/, 'script type="module"', part.code.trim());
      else if (name.endsWith('.css')) put(/<link rel="stylesheet"[^>]*>/, 'style', part.source.trim());
      else continue;
      delete bundle[name];
    }
  },
};

export default defineConfig({
  base: './',
  plugins: [oneFile],
  build: {modulePreload: {polyfill: false}, target: 'es2022'},
  // `npm run dev` asks a server that runs: seodang serve MODEL
  server: {proxy: Object.fromEntries(['/v1', '/tokenize'].map(
      path => [path, {target: 'http://127.0.0.1:8080', changeOrigin: true, headers: {Origin: 'http://127.0.0.1:8080'}}]))},
});
