@reads
Feature: Verifying the flash against a file

  Scenario: A file that equals the flash is said to be equal
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of what the flash holds
    When I verify the image
    Then the flasher succeeds
    And the flash is as it was
    And no fuse was burnt

  Scenario Outline: A difference is found and named: one byte at <place>
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of what the flash holds, but for one byte at <place>
    When I verify the image
    Then the flasher gives up with exit status 4
    And it says "first at <named>"
    And the flash is as it was

    Examples:
      | place   | named    |
      | 0x0     | 0x000000 |
      | 0x12345 | 0x012345 |
      | 0xFFFFF | 0x0fffff |

  Scenario: A part of the flash can be verified
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the reference pattern
    And an image of the 300 bytes that the flash holds at 0x1F80
    When I verify the image
    Then the flasher succeeds

  Scenario: A file that ends past the end of the flash is refused
    Given a healthy XT-ZB2 in programming mode
    And an image of 2 bytes for address 0xFFFFF
    When I verify the image
    Then the flasher gives up with exit status 2
    And it says "goes past the end of the flash"
