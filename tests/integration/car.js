// SPDX-License-Identifier: Apache-2.0
// A car on Node's ws: sends N packets, prints "acked N" once all are acked.
const WebSocket = require('ws');
const [url, count] = [process.argv[2], Number(process.argv[3])];
const car = new WebSocket(url, 'motorcade.v1', {perMessageDeflate: true});
car.on('open', () => {
  for (let seq = 1; seq <= count; seq++)
    car.send(JSON.stringify({obuid: `node-${seq % 7}`, seq, lat: 48.1, lon: 11.5}));
});
car.on('message', (data) => {
  const message = JSON.parse(data);
  if (message.reject) throw new Error(data);
  if (message.ack === count) {
    console.log(`acked ${message.ack}`);
    car.close();
  }
});
car.on('error', (error) => { console.error(error.message); process.exit(1); });
