#!/usr/bin/env node
if (0) console.log();
