import { defineConfig } from 'vite';

export default defineConfig({
  build: { chunkSizeWarningLimit: 20_000, reportCompressedSize: false },
  logLevel: 'error',
});
