#!/bin/sh
# Type-checks the page's JavaScript (JSDoc types, tsc --checkJs) where npm is at hand; the product itself needs no npm.
command -v npx >/dev/null 2>&1 || { echo "npx not found: the page's JavaScript is not type-checked"; exit 0; }
[ -f web/tsconfig.json ] || exit 0
exec npx --yes --package typescript@5.9 tsc --project web/tsconfig.json
