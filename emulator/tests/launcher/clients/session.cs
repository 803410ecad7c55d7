// A session with the boot ROM by System.IO.Ports; prints its boot info.
using System;
using System.IO.Ports;
using System.Threading;

class Session
{
    static bool ShakeHands(SerialPort port)
    {
        var burst = new byte[150];
        for (int i = 0; i < burst.Length; i++)
            burst[i] = 0x55;
        for (int attempt = 0; attempt < 5; attempt++) {
            port.Write(burst, 0, burst.Length);
            try {
                return port.ReadByte() == 'O' && port.ReadByte() == 'K';
            } catch (TimeoutException) {
            }
        }
        return false;
    }

    static int Main(string[] arguments)
    {
        // 500000 is no rate of termios: it is set by a custom divisor behind 38400.
        var port = new SerialPort(arguments[0], 500000, Parity.None, 8, StopBits.One);
        port.ReadTimeout = 2000;
        port.Open();
        if (!port.CtsHolding || !port.DsrHolding)
            return 2;
        port.DtrEnable = true;
        port.RtsEnable = true;
        port.DtrEnable = false;
        port.RtsEnable = false;
        if (!ShakeHands(port))
            return 3;
        Thread.Sleep(20);
        port.DiscardInBuffer();
        port.Write(new byte[] { 0x10, 0, 0, 0 }, 0, 4);
        var reply = new byte[28];
        for (int have = 0; have < reply.Length;)
            have += port.Read(reply, have, reply.Length - have);
        Console.WriteLine(BitConverter.ToString(reply).Replace("-", "").ToLower());
        port.BreakState = true;
        port.BreakState = false;
        port.Close();
        return 0;
    }
}
