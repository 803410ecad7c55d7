@reads
Feature: Boot headers and segments the boot ROM refuses
  The code tells what is wrong with the image; a module that refuses one is not broken.

  Scenario Outline: <code>: <why>
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "<vector>"
    Then the last answer is <code>
    When the host sends 10 00 00 00
    Then the module answers OK 18 00 01 00 02 07 ..
    And no fuse was burnt

    Examples: what is wrong with a header
      | code   | why                                        | vector                              |
      | FL0201 | the header is not 176 bytes long           | header: length 175                  |
      | FL0202 | the header says not to load                | header: notload                     |
      | FL0203 | the header is that of another CPU          | header: magic BFAP                  |
      | FL0204 | the checksum of the header is wrong        | header: crc wrong                   |
      | FL0205 | the image is encrypted, the chip is open   | header: encrypted 1 on an open chip |
      | FL0206 | the image is signed, the chip is open      | header: signed 1 on an open chip    |
      | FL0207 | the header announces no segment            | header: segment count 0             |

    Examples: of two faults the first one looked for is told
      | code   | why                                        | vector                              |
      | FL0204 | wrong checksum before another CPU          | header: wrong crc and wrong magic   |
      | FL0202 | not to load before another CPU             | header: notload and wrong magic     |
      | FL0205 | encrypted before signed                    | header: signed and encrypted on an open chip |
      | FL0206 | signed before no segment                   | header: signed and count 0          |

    Examples: what is wrong with a segment or with the whole
      | code   | why                                        | vector                              |
      | FL020F | the segment header is not 16 bytes long    | segment: length 15                  |
      | FL0210 | the checksum of the segment header is wrong | segment: crc wrong                 |
      | FL0211 | the segment would not lie in RAM           | segment 42030000+10                 |
      | FL0214 | there are more data than announced         | data, one too many                  |
      | FL0217 | the image is not what its hash says        | check: hash wrong                   |

  Scenario: A header whose checksum is to be ignored passes, as the vendor's RAM loader has it
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "header: crc_ignore with deadbeef"
    Then the module answers OK
