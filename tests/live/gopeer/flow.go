// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"io"
	"os"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"
)

// Packets that a frame waits for one that is missing.
const patience = 200

// again is a file without end: after its last byte comes its first.
type again struct{ *os.File }

func (a again) Read(p []byte) (int, error) {
	n, err := a.File.Read(p)
	if err != io.EOF {
		return n, err
	}
	if _, err = a.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return a.File.Read(p)
}

// publishLoop sends H.264 of a file in byte-stream format, with one slice for each frame, at 30 frames a second.
func publishLoop(room *lksdk.Room, path, name string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	track, err := lksdk.NewLocalReaderTrack(again{file}, webrtc.MimeTypeH264)
	if err != nil {
		return err
	}
	_, err = room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Name: name})
	return err
}

// screen puts packets of a video track in order, with those that were sent again, and knows when frames were whole.
type screen struct {
	builder *samplebuilder.SampleBuilder
	times   []float64 // milliseconds of the wall clock
}

func newScreen(mime string) *screen {
	return &screen{builder: samplebuilder.New(patience, depacketizer(mime), 90000)}
}

// Takes padding as well, which has sequence numbers but may have a payload that is none.
func (s *screen) take(packet *rtp.Packet) {
	if packet.Padding {
		packet = &rtp.Packet{Header: packet.Header}
	}
	s.builder.Push(packet)
	for s.builder.Pop() != nil {
		s.times = append(s.times, float64(time.Now().UnixMicro())/1000)
	}
}
