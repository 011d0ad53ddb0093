// SPDX-License-Identifier: LGPL-2.1-or-later

// gopeer is a participant by LiveKit's Go SDK for the live tests, and counts what it receives.
//
// Like sdkpeer.py: each line of JSON on standard input, {"call": NAME, "arguments": [...]}, is answered by one line,
// {"result": ...} or {"error": "..."}. Nothing is decoded: a frame counts when all of its packets came, in order, and
// could be taken apart.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

type request struct {
	Call      string   `json:"call"`
	Arguments []string `json:"arguments"`
}

// entry is what is known of one track.
type entry struct {
	Sid        string   `json:"sid"`
	Name       string   `json:"name"`
	Identity   string   `json:"identity"`
	Kind       string   `json:"kind"`
	Mime       string   `json:"mime"`
	Frames     int      `json:"frames"`
	Packets    int      `json:"packets"`
	Bytes      int      `json:"bytes"`
	Lost       int      `json:"lost"`
	Bad        int      `json:"bad"` // packets that could not be taken apart
	FirstFrame *float64 `json:"firstFrame"`
	At         float64  `json:"at"`

	screen *screen // of video
}

type peer struct {
	room   *lksdk.Room
	joined time.Time
	crowd  crowd
	bench  *bench

	mutex   sync.Mutex
	entries []*entry
}

// redPacket is RFC 2198: Opus, and before it packets that were sent already.
type redPacket struct{ codecs.OpusPacket }

func (p *redPacket) Unmarshal(payload []byte) ([]byte, error) {
	rest, redundant := payload, 0
	for len(rest) >= 4 && rest[0]&0x80 != 0 {
		redundant += int(rest[2]&3)<<8 | int(rest[3])
		rest = rest[4:]
	}
	if len(rest) == 0 || rest[0] != 111 || len(rest) < 1+redundant+1 {
		return nil, fmt.Errorf("no RED of Opus")
	}
	return p.OpusPacket.Unmarshal(rest[1+redundant:])
}

func depacketizer(mime string) rtp.Depacketizer {
	switch strings.ToLower(mime) {
	case "video/h264":
		return &codecs.H264Packet{}
	case "video/h265":
		return &codecs.H265Depacketizer{}
	case "video/vp8":
		return &codecs.VP8Packet{}
	case "video/vp9":
		return &codecs.VP9Packet{}
	case "video/av1":
		return &codecs.AV1Depacketizer{}
	case "audio/opus":
		return &codecs.OpusPacket{}
	case "audio/red":
		return &redPacket{}
	}
	return nil // PCMU, PCMA: the payload is the sound
}

func (p *peer) sinceJoin() float64 {
	return float64(time.Since(p.joined).Microseconds()) / 1000
}

// frame is the access unit that is being put together.
type frame struct {
	next  uint16 // sequence number
	known bool
	whole bool // from its first packet on
}

func (p *peer) take(e *entry, f *frame, d rtp.Depacketizer, packet *rtp.Packet) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if f.known && packet.SequenceNumber != f.next {
		e.Lost++
		f.whole = false
	}
	f.next, f.known = packet.SequenceNumber+1, true
	if e.screen != nil {
		e.screen.take(packet)
	}
	// The server's padding, by which it measures the way.
	if packet.Padding || len(packet.Payload) == 0 {
		return
	}
	e.Packets++
	e.Bytes += len(packet.Payload)

	if d != nil {
		if _, err := d.Unmarshal(packet.Payload); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %s: %x\n", e.Mime, err, packet.Payload)
			e.Bad++
			f.whole = false
		}
	}
	if e.Kind == "video" && !packet.Marker {
		return
	}
	if f.whole || e.Kind == "audio" {
		e.Frames++
		if e.FirstFrame == nil {
			now := p.sinceJoin()
			e.FirstFrame = &now
		}
	}
	f.whole = true
}

func (p *peer) read(track *webrtc.TrackRemote, e *entry) {
	d, f := depacketizer(e.Mime), frame{whole: true}
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		p.take(e, &f, d, packet)
	}
}

func (p *peer) subscribed(track *webrtc.TrackRemote, publication *lksdk.RemoteTrackPublication,
	participant *lksdk.RemoteParticipant) {
	e := &entry{Sid: publication.SID(), Name: publication.Name(), Identity: participant.Identity(),
		Kind: track.Kind().String(), Mime: track.Codec().MimeType}
	if e.Kind == "video" {
		e.screen = newScreen(e.Mime)
	}
	p.mutex.Lock()
	p.entries = append(p.entries, e)
	p.mutex.Unlock()
	go p.read(track, e)
}

func (p *peer) call(r request) (any, error) {
	switch r.Call {
	case "join":
		p.joined = time.Now()
		callback := &lksdk.RoomCallback{ParticipantCallback: lksdk.ParticipantCallback{OnTrackSubscribed: p.subscribed}}
		room, err := lksdk.ConnectToRoomWithToken(r.Arguments[0], r.Arguments[1], callback, lksdk.WithDisableRegionDiscovery())
		p.room = room
		return nil, err
	case "measure":
		p.mutex.Lock()
		defer p.mutex.Unlock()
		result := []entry{}
		for _, e := range p.entries {
			e.At = p.sinceJoin()
			result = append(result, *e)
		}
		return result, nil
	case "shown":
		p.mutex.Lock()
		defer p.mutex.Unlock()
		times := []float64{}
		for _, e := range p.entries {
			if e.screen != nil {
				times = append(times, e.screen.times...)
			}
		}
		return times, nil
	case "publish":
		return nil, publishLoop(p.room, r.Arguments[0], r.Arguments[1])
	case "crowd-join", "crowd-leave", "crowd-count":
		return p.crowd.call(r)
	case "leave":
		p.room.Disconnect()
		return nil, nil
	}
	if strings.HasPrefix(r.Call, "bench-") {
		return p.benchCall(r)
	}
	return nil, fmt.Errorf("no call %q", r.Call)
}

func main() {
	logger.InitFromConfig(&logger.Config{Level: "warn"}, "gopeer")
	lksdk.SetLogger(logger.GetLogger())
	out := json.NewEncoder(os.Stdout)
	out.Encode(map[string]any{"result": "ready"})
	p := &peer{crowd: crowd{members: map[int]*member{}}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		answer := map[string]any{}
		err := json.Unmarshal(lines.Bytes(), &r)
		if err == nil {
			answer["result"], err = p.call(r)
		}
		if err != nil {
			answer = map[string]any{"error": err.Error()}
		}
		out.Encode(answer)
	}
	if p.room != nil {
		p.room.Disconnect()
	}
}
