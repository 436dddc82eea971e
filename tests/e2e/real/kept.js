// Node that keeps, or gives back, things that are not in its heap: `kept.js KIND[,KIND] leak|clean`,
// one of each kind in turn. Packages are found by NODE_PATH, PostgreSQL by PGHOST and its like.
// Says "ready" once it is warm, and its account as a line of JSON for each line that it reads.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const tls = require('tls');
const zlib = require('zlib');
const v8 = require('v8');
const vm = require('vm');
const kinds = process.argv[2].split(',');
const leaks = process.argv[3] === 'leak';
const STEP_MS = kinds.includes('pg') || kinds.includes('sqlite') ? 200 : 40;
const COLLECT_MS = 4000; // as a busy server has its garbage collected
const BLOB = 400000;
const kept = [];
let n = 0;

function makeStream() {
	const stream = zlib.createDeflate();
	stream.write('some text');
	return stream;
}

function makeContext() {
	return tls.createSecureContext({});
}

function makeHash() {
	return crypto.createHash('sha256').update('some text');
}

function makeBuffer() {
	return Buffer.alloc(20000, 1);
}

// A row of a table, of 100 bytes: Buffers this small are pieces of a pool of 8 kB.
function makeSmall() {
	const row = Buffer.from('x'.repeat(100));
	for (let i = 0; i < 20; i++)
		Buffer.from('y'.repeat(200));
	return row;
}

function makeDatabase() {
	const db = new (require('better-sqlite3'))(':memory:');
	db.exec('create table t(a)');
	db.prepare('insert into t values(zeroblob(?))').run(BLOB);
	return db;
}

function makeClient() {
	const client = new (require('pg').Client)();
	client.connect().then(() => client.query('SELECT 1')).then(() => leaks || client.end());
	return client;
}

function openFile() {
	return fs.openSync(__filename);
}

const makers = {
	zlib: makeStream, tls: makeContext, hash: makeHash, buffer: makeBuffer, small: makeSmall,
	sqlite: makeDatabase, pg: makeClient, file: openFile,
};

const close = { zlib: (s) => s.close(), sqlite: (s) => s.close(), file: (s) => fs.closeSync(s) };

function step() {
	for (const kind of kinds) {
		const thing = makers[kind]();
		if (leaks)
			kept.push(thing);
		else if (close[kind])
			close[kind](thing);
	}
	if (++n === 1000 / STEP_MS)
		console.log('ready');
}

const begun = performance.now();
function pace() {
	step();
	setTimeout(pace, Math.max(begun + n * STEP_MS - performance.now(), 0));
}

pace();
v8.setFlagsFromString('--expose-gc');
if (kinds.includes('small'))
	setInterval(vm.runInNewContext('gc'), COLLECT_MS);
process.stdin.on('data', () => {
	const { arrayBuffers } = process.memoryUsage();
	console.log(JSON.stringify({ operations: n, kept: kept.length, bytes: arrayBuffers }));
});
process.stdin.on('end', () => process.exit(0));
