// A session with the boot ROM by the package `serialport`; prints its boot info.
const { SerialPort } = require('serialport');

const port = new SerialPort({ path: process.argv[2], baudRate: 500000, autoOpen: false });
const ask = (method, ...rest) =>
    new Promise((done, failed) => port[method](...rest, (error, value) => (error ? failed(error) : done(value))));
let received = Buffer.alloc(0);
let told = () => {};
port.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    told();
});

/** Whether so many bytes are there within the time. */
const receive = (count, patience_ms) =>
    new Promise((done) => {
        const timer = setTimeout(() => done(false), patience_ms);
        told = () => {
            if (received.length >= count) {
                clearTimeout(timer);
                done(true);
            }
        };
        told();
    });

async function session() {
    await ask('open');
    const lines = await ask('get');
    if (!lines.cts || !lines.dsr) throw new Error('the input lines are quiet');
    await ask('set', { dtr: true, rts: true });
    await ask('set', { dtr: false, rts: true });
    await ask('set', { dtr: false, rts: false });
    let answered = false;
    for (let attempt = 0; attempt < 5 && !answered; attempt++) {
        port.write(Buffer.alloc(150, 0x55));
        await ask('drain');
        answered = await receive(2, 2000);
    }
    if (received.toString('latin1') !== 'OK') throw new Error('no answer to the handshake');
    received = Buffer.alloc(0);
    if (await receive(1, 20)) throw new Error('something came behind OK');
    await ask('flush');
    port.write(Buffer.from([0x10, 0, 0, 0]));
    if (!(await receive(28, 20000))) throw new Error('no boot info');
    console.log(received.toString('hex'));
    await ask('update', { baudRate: 2000000 });
    await ask('set', { brk: true });
    await ask('set', { brk: false });
    await ask('close');
}

session().catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
